"""Chosen frames are the very ones that decoding from the start gives, and what lies before is not decoded."""

import random

import av
import pytest
import torch

from heygen_hf.data.video import ShortVideoError, decode_frames, probe_video
from heygen_hf.data.video.frame_index import forget_frame_indexes

NUM_FRAMES = 64
VARIABLE = [0]
for _step in [40, 40, 120, 33, 7, 200, 41, 40] * 8:
    VARIABLE.append(VARIABLE[-1] + _step)

# name: file's suffix, how it is written
KINDS = {
    "b-frames": ("mp4", {"g": "12", "bf": "3"}),
    "b-frames, one key frame": ("mp4", {"g": "250"}),
    "open groups": ("mp4", {"x264_params": "open-gop=1:keyint=10:min-keyint=10:scenecut=0:bframes=3"}),
    "no b-frames": ("mov", {"g": "7", "bf": "0"}),
    "intra refresh": ("mp4", {"x264_params": "intra-refresh=1:keyint=10"}),
    "fragments": ("mp4", {"g": "10", "container_options": {"movflags": "frag_keyframe+empty_moov"}}),
    "later start": ("mp4", {"g": "10", "ticks": [5000 + 40 * n for n in range(NUM_FRAMES)]}),
    "variable rate": ("mp4", {"g": "10", "ticks": VARIABLE[:NUM_FRAMES]}),
    "variable rate, matroska": ("mkv", {"g": "10", "ticks": VARIABLE[:NUM_FRAMES]}),
    "transport stream": ("ts", {"g": "10"}),
    "h265": ("mp4", {"codec": "libx265", "x265_params": "keyint=12:open-gop=0:bframes=4:log-level=none"}),
    "h265, open groups": ("mp4", {"codec": "libx265", "x265_params": "keyint=12:open-gop=1:bframes=4:log-level=none"}),
    "h265, layers in time": ("mp4", {"codec": "libx265", "x265_params": "keyint=16:temporal-layers=3:log-level=none"}),
    "mpeg2": ("mp4", {"codec": "mpeg2video", "g": "8", "bf": "2"}),
    "mpeg2, program stream": ("mpg", {"codec": "mpeg2video", "g": "8", "bf": "2"}),
    "mpeg4": ("mp4", {"codec": "mpeg4", "g": "8", "bf": "2"}),
    "mpeg4, avi": ("avi", {"codec": "mpeg4", "g": "8"}),
    "vp9": ("webm", {"codec": "libvpx-vp9", "g": "10", "deadline": "realtime", "cpu_used": "8"}),
    "vp8": ("webm", {"codec": "libvpx", "g": "10", "auto_alt_ref": "1", "lag_in_frames": "10"}),
    "av1": ("mkv", {"codec": "libsvtav1", "g": "10", "preset": "12"}),
    "motion jpeg": ("avi", {"codec": "mjpeg", "pixel_format": "yuvj420p"}),
    "gif": ("gif", {"codec": "gif", "pixel_format": "rgb8"}),
}


def draws(num_frames: int, *, times: int = 8) -> list[list[int]]:
    """Few and many, near and far apart, each with one towards the end: a start is read through all the same."""
    generator = random.Random(0)
    late = range(num_frames * 4 // 5, num_frames)
    chosen = [[num_frames - 1], list(range(num_frames // 2, num_frames, 2))]
    return chosen + [
        [*generator.sample(range(num_frames), generator.choice([0, 1, 5])), generator.choice(late)]
        for _ in range(times)
    ]


@pytest.mark.parametrize("kind", KINDS)
def test_frames_and_times_are_those_of_decoding_from_the_start(tmp_path, write_clip, read_plainly, kind):
    suffix, options = KINDS[kind]
    path = write_clip(tmp_path / f"a.{suffix}", num_frames=NUM_FRAMES, **options)
    frames, times = read_plainly(path)
    assert len(frames) == NUM_FRAMES
    for indices in [None, *draws(NUM_FRAMES)]:
        forget_frame_indexes()
        clip = decode_frames(path, indices)
        expected = list(range(NUM_FRAMES)) if indices is None else indices
        assert torch.equal(clip.frames, frames[expected])
        assert clip.timestamps_seconds.tolist() == pytest.approx([times[index] for index in expected])
    probed = probe_video(path)
    assert probed.num_frames == NUM_FRAMES
    assert probed.timestamps_seconds.tolist() == pytest.approx(times)


def test_the_sample_clips(sample_clips, read_plainly):
    assert sample_clips
    for path in sample_clips:
        probed = probe_video(path)
        if probed.height * probed.width * probed.num_frames > 3e7:
            continue  # seconds each
        frames, times = read_plainly(path)
        for indices in draws(len(frames), times=4):
            clip = decode_frames(path, indices)
            if probed.height % 2 == 0:  # elsewhere FFmpeg has two converters, see test_conversion
                assert torch.equal(clip.frames, frames[indices]), path.name
            assert clip.timestamps_seconds.tolist() == pytest.approx([times[index] for index in indices])


@pytest.mark.parametrize("suffix", ["mp4", "mkv"])
def test_what_lies_before_the_key_frame_is_not_decoded(tmp_path, write_clip, read_plainly, suffix):
    path = write_clip(tmp_path / f"a.{suffix}", num_frames=NUM_FRAMES, g="10", bf="2")
    frames, _ = read_plainly(path)
    with av.open(str(path)) as container:
        packets = [packet for packet in container.demux(video=0) if packet.size]
        keys = [number for number, packet in enumerate(packets) if packet.is_keyframe]
        damage = [(packet.pos, packet.size) for packet in packets[: keys[5]]]
    contents = bytearray(path.read_bytes())
    for position, size in damage:
        contents[position + 8 : position + size - 8] = b"\x00" * (size - 16)
    path.write_bytes(contents)
    forget_frame_indexes()
    wanted = [62, 52, 58]
    assert torch.equal(decode_frames(path, wanted).frames, frames[wanted])


def test_files_held_in_memory(tmp_path, write_clip):
    for suffix in ("mp4", "mkv"):
        path = write_clip(tmp_path / f"a.{suffix}", g="10")
        contents = path.read_bytes()
        for indices in (None, [33, 21]):
            from_file, from_memory = decode_frames(path, indices), decode_frames(contents, indices)
            assert torch.equal(from_file.frames, from_memory.frames)
            assert torch.equal(from_file.timestamps_seconds, from_memory.timestamps_seconds)
        assert probe_video(contents) == probe_video(path)


def test_a_file_that_changes_is_read_anew(tmp_path, write_clip):
    path = write_clip(tmp_path / "a.mkv", g="10")
    decode_frames(path, [39])
    write_clip(path, g="10", num_frames=30)
    with pytest.raises(ShortVideoError, match="it has 30 frames"):
        decode_frames(path, [39])
    assert decode_frames(path, [29]).num_frames == 1


def test_frame_numbers_that_cannot_be(tmp_path, write_clip):
    path = write_clip(tmp_path / "a.mp4", num_frames=3)
    for wrong in ([], [-1, 2]):
        with pytest.raises(ValueError, match="expected at least one frame number, from 0"):
            decode_frames(path, wrong)
    with pytest.raises(ValueError, match="one of auto, pyav, torchcodec"):
        decode_frames(path, decoder="opencv")
