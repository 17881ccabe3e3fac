"""Clips that control others show the same frames and the same part of them."""

import shutil

import pytest
import torch

from heygen_hf.data import load_video_dataset, prepare_clips, write_video
from heygen_hf.data.cache.encoding_store import EncodingCache
from heygen_hf.data.clips import EncodedClips, attach_controls
from heygen_hf.processing import VideoProcessor


def prepare(folder, cache_dir, *, max_clip_mebibytes=32.0, **options):
    sizes = {"num_frames": 4, "height": 8, "width": 16, "frame_position": "random", "crop_position": "random"}
    processor = VideoProcessor(**{**sizes, **options})
    dataset = load_video_dataset(str(folder), split=None)
    return prepare_clips(
        dataset,
        processor=processor,
        seed=0,
        cache_dir=cache_dir,
        progress=False,
        max_clip_mebibytes=max_clip_mebibytes,
    )[0]


@pytest.mark.parametrize("held", [True, False])
@pytest.mark.parametrize("target_fps", [None, 6.0])
def test_of_every_seed_they_show_the_frames_and_the_crop_of_their_clip(clip_folder, tmp_path, held, target_fps):
    """Each clip controls itself here: what is shown must be equal."""
    folder = clip_folder(3, num_frames=20, height=20, width=24)
    most = 32.0 if held else 1e-6
    clips = prepare(folder, tmp_path / "cache", max_clip_mebibytes=most, target_fps=target_fps)
    clips, left_out = attach_controls(clips, list(clips.videos), progress=False)
    assert not left_out
    shown = []
    for epoch in range(4):
        for item in clips.fetch(range(3), epoch=epoch):
            assert torch.equal(item["control"], item["frames"])
            shown.append(item["frames"])
    assert not torch.equal(shown[0], shown[3])


def test_what_cannot_control_is_left_out_with_its_reason(clip_folder, tmp_path, random_frames):
    clips = prepare(clip_folder(5, num_frames=9, height=16, width=32), tmp_path / "cache")
    short, square, half = (tmp_path / f"{name}.mp4" for name in ("short", "square", "half"))
    write_video(short, random_frames(7, height=16, width=32))
    write_video(square, random_frames(9, height=16, width=16))
    write_video(half, random_frames(9, height=8, width=16))
    kept, left_out = attach_controls(
        clips, [None, str(tmp_path / "none.mp4"), str(short), str(square), str(half)], progress=False
    )
    assert kept.file_names == ["4.mp4"]
    reasons = [reason for _, reason in left_out]
    assert "leaves the data folder" in reasons[0]
    assert reasons[1:3] == ["its control: the file does not exist", "its control: it has 7 frames, and the clip 9"]
    assert "it is 16x16 (height x width) and the clip 16x32" in reasons[3]
    assert kept[0]["control"].shape == (4, 3, 8, 16)


def test_another_control_is_another_encoding(clip_folder, tmp_path):
    """What is cached is known by both files, so that a new control is encoded anew."""
    folder = clip_folder(3, num_frames=9, height=16, width=32)
    plain = prepare(folder, tmp_path / "cache")
    first, _ = attach_controls(plain, [str(folder / "1.mp4")] * 3, progress=False)
    second, _ = attach_controls(plain, [str(folder / "2.mp4")] * 3, progress=False)
    shutil.copy(folder / "1.mp4", tmp_path / "copy.mp4")
    again, _ = attach_controls(plain, [str(tmp_path / "copy.mp4")] * 3, progress=False)
    assert again.contents == first.contents
    assert not {*first.contents} & {*second.contents, *plain.contents}
    assert first.select([2, 0]).contents == [first.contents[2], first.contents[0]]

    def encode(items):
        return [{"latents": item["frames"].float(), "control": item["control"].float()} for item in items]

    cache = EncodingCache(tmp_path / "cache", kind="latents", encoder_hash=b"1", settings={}, dtype=torch.float32)
    for clips in (first, second):
        encoded = EncodedClips(clips, latents=cache, encode_latents=encode, append=True, content_hashes=clips.contents)
        encoded.fill(batch_size=2, progress=False)
        encoded.drop_encoders()
        (item,) = clips.fetch([0], epoch=0, seeds=[encoded._frames_seed(0, 0)])
        assert torch.equal(encoded[0]["control"], item["control"].float())
    assert len(cache) == 6
