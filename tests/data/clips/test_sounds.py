from pathlib import Path

import numpy as np
import pytest
import torch

from heygen_hf.data import VideoTextCollator, load_video_dataset, prepare_clips, write_video
from heygen_hf.data.cache.encoding_store import EncodingCache
from heygen_hf.data.clips import EncodedClips, prepare_sounds
from heygen_hf.processing import FrameAudioFeatureExtractor, VideoProcessor

EXTRACTOR = FrameAudioFeatureExtractor(8, steps_per_frame=1)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """12 frames at 10 a second: frame n is n grey levels, and louder the later; one clip has no track."""
    folder = tmp_path_factory.mktemp("clips")
    times = np.arange(19_200) / 16_000
    sound = (0.02 * (1 + np.floor(times * 10)) * np.sin(times * 2 * np.pi * 300)).astype(np.float32)
    for name in ("a", "b", "mute"):
        frames = torch.arange(12, dtype=torch.uint8).mul(15).view(-1, 1, 1, 1).expand(-1, 3, 16, 16) + ord(name[0]) % 5
        heard = {} if name == "mute" else {"audio": sound, "sampling_rate": 16_000}
        write_video(folder / f"{name}.mp4", frames, frame_rate=10, lossless=True, **heard)
    rows = [f'{{"file_name": "{name}.mp4", "text": "{name}"}}\n' for name in ("a", "b", "mute")]
    (folder / "metadata.jsonl").write_text("".join(rows))
    return folder


def prepare(folder: Path, cache_dir: Path, **options):
    processor = VideoProcessor(num_frames=4, height=16, width=16, frame_position="random", **options)
    dataset = load_video_dataset(str(folder), split=None)
    clips, _ = prepare_clips(dataset, processor=processor, seed=0, cache_dir=cache_dir, progress=False)
    clips.sounds = prepare_sounds(clips, EXTRACTOR, cache_dir=cache_dir, progress=False)
    return clips, processor


def test_items_hear_the_frames_they_show(folder: Path, tmp_path: Path) -> None:
    clips, processor = prepare(folder, tmp_path)
    spoken = [row for row, name in enumerate(clips.file_names) if name != "mute.mp4"]
    whole = clips.sounds.at_frames(spoken[0], range(12), frame_rate=10)
    assert (whole.amax(dim=-1).diff() > 0).all()
    shown = set()
    for epoch in range(6):
        clips.set_epoch(epoch)
        for row in spoken:
            item = clips[row]
            numbers = ((item["frames"][:, 0, 8, 8].int() - ord(item["text"]) % 5) / 15).round().int()
            torch.testing.assert_close(item["audio_features"], whole[numbers])
            shown.add(int(numbers[0]))
    assert len(shown) > 2
    batch = VideoTextCollator(processor)([clips[row] for row in spoken])
    assert batch["audio_features"].shape == (2, 4, 8)


def test_a_strided_frame_is_heard_as_long_as_it_is_shown(folder: Path, tmp_path: Path) -> None:
    clips, _ = prepare(folder, tmp_path, temporal_stride=3)
    every = clips.sounds.at_frames(0, range(12), frame_rate=10)
    third = clips.sounds.at_frames(0, range(0, 12, 3), frame_rate=10)
    torch.testing.assert_close(third, every[1::3], atol=0.05, rtol=0)  # the middle of three frames
    assert clips[0]["audio_features"].shape == (4, 8)


def test_clips_without_sound_are_told(folder: Path, tmp_path: Path) -> None:
    clips, _ = prepare(folder, tmp_path)
    [(row, reason)] = clips.sounds.problems.items()
    assert clips.file_names[row] == "mute.mp4"
    assert reason == "it has no sound track"
    kept = clips.select([number for number in range(3) if number != row])
    assert not kept.sounds.problems
    name = kept.file_names[1]
    old = clips.file_names.index(name)
    torch.testing.assert_close(
        kept.sounds.at_frames(1, [2], frame_rate=10), clips.sounds.at_frames(old, [2], frame_rate=10)
    )


def test_sound_is_analysed_once(folder: Path, tmp_path: Path) -> None:
    first, _ = prepare(folder, tmp_path)
    [written] = tmp_path.glob("sounds-*")
    before = (written / "values.npy").stat().st_mtime_ns
    again, _ = prepare(folder, tmp_path)
    assert (written / "values.npy").stat().st_mtime_ns == before
    assert np.array_equal(first.sounds.values, again.sounds.values)
    # Another front end is another cache; how many steps a frame takes is not part of the rows.
    prepare_sounds(again, FrameAudioFeatureExtractor(8, steps_per_frame=2), cache_dir=tmp_path, progress=False)
    assert len(list(tmp_path.glob("sounds-*"))) == 1
    prepare_sounds(again, FrameAudioFeatureExtractor(9), cache_dir=tmp_path, progress=False)
    assert len(list(tmp_path.glob("sounds-*"))) == 2


def test_latents_hear_the_frames_they_were_encoded_from(folder: Path, tmp_path: Path) -> None:
    clips, _ = prepare(folder, tmp_path)
    spoken = clips.select([row for row in range(3) if row not in clips.sounds.problems])
    seen = []

    def encode(items):
        seen.extend(items)
        return [{"latents": item["frames"].float()} for item in items]

    options = {"encoder_hash": bytes(16), "settings": {}, "dtype": torch.float32}
    cache = EncodingCache(tmp_path / "latents", kind="latents", **options)
    encoded = EncodedClips(spoken, latents=cache, encode_latents=encode, variants_per_clip=2, append=True)
    for epoch in range(2):
        encoded.set_epoch(epoch)
        for number in range(2):
            item = encoded[number]
            [source] = [one for one in seen if torch.equal(one["frames"].float(), item["latents"])]
            assert torch.equal(item["audio_features"], source["audio_features"])


def test_a_decoder_that_hung_is_tried_again_under_a_longer_limit(folder: Path, tmp_path: Path) -> None:
    clips, _ = prepare(folder, tmp_path / "frames")
    options = {"cache_dir": tmp_path / "sounds", "progress": False}
    hung = prepare_sounds(clips, EXTRACTOR, decode_time_limit_seconds=1e-4, **options)
    assert len(hung.problems) == 3
    assert "decode_time_limit_seconds tries again" in hung.problems[0]
    # not under the same one
    again = prepare_sounds(clips, EXTRACTOR, decode_time_limit_seconds=1e-4, **options)
    assert len(again.problems) == 3
    heard = prepare_sounds(clips, EXTRACTOR, decode_time_limit_seconds=60, **options)
    assert list(heard.problems.values()) == ["it has no sound track"]
    torch.testing.assert_close(
        heard.at_frames(0, range(4), frame_rate=10), clips.sounds.at_frames(0, range(4), frame_rate=10)
    )
