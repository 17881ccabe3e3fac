"""Sound in step with the frames, whatever the container, the rates and the starts of the tracks."""

import math
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
import pytest
import torch

from heygen_hf.data import BadVideoError, decode_frames, write_video
from heygen_hf.data.video import audio
from heygen_hf.data.video.audio import decode_audio

FRAME_RATE = 25
FLASHES = (10, 47, 88)  # frames that are white, and sound
NUM_FRAMES = 100


def write_flashes(
    path: Path,
    *,
    video_codec: str = "libx264",
    audio_codec: str = "aac",
    rate: int = 44100,
    video_start: float = 0.0,
    audio_start: float = 0.0,
    audio_end: float = NUM_FRAMES / FRAME_RATE,
    layout: str = "stereo",
) -> Path:
    """White frames with a beep, the others black and silent. The tracks start at times of their own; flash and beep
    agree in presentation time, counted from `video_start`."""
    with av.open(str(path), "w") as container:
        video = container.add_stream(video_codec, rate=FRAME_RATE, options={"g": "30"})
        video.width, video.height, video.pix_fmt = 32, 32, "yuv420p"
        sound = container.add_stream(audio_codec, rate=rate, layout=layout)
        for number in range(NUM_FRAMES):
            pixels = np.full((32, 32, 3), 255 if number in FLASHES else 0, dtype=np.uint8)
            frame = av.VideoFrame.from_ndarray(pixels, format="rgb24")
            frame.pts, frame.time_base = number + round(video_start * FRAME_RATE), Fraction(1, FRAME_RATE)
            container.mux(video.encode(frame))
        container.mux(video.encode())
        times = np.arange(round(audio_start * rate), round((video_start + audio_end) * rate)) / rate - video_start
        sounds = np.isin(np.floor(times * FRAME_RATE + 1e-6), FLASHES)
        wave = (0.5 * np.sin(2 * math.pi * 1000 * times) * sounds).astype(np.float32)
        at_once = sound.codec_context.frame_size or 1024
        for start in range(0, len(wave), at_once):
            samples = np.stack([wave[start : start + at_once]] * (2 if layout == "stereo" else 1))
            frame = av.AudioFrame.from_ndarray(samples, format="fltp", layout=layout)
            frame.sample_rate, frame.time_base = rate, Fraction(1, rate)
            frame.pts = start + round(audio_start * rate)
            container.mux(sound.encode(frame))
        container.mux(sound.encode())
    return path


def beep(samples: torch.Tensor, rate: int) -> tuple[float, float]:
    """When the loud part starts and ends, in seconds."""
    loud = (samples.abs() > 0.1).nonzero().flatten()
    assert len(loud)
    return float(loud[0]) / rate, float(loud[-1] + 1) / rate


KINDS = {
    "aac.mp4": {},
    "h264-aac-48k.mov": {"rate": 48000},
    "aac.mkv": {},
    "opus.webm": {"video_codec": "libvpx-vp9", "audio_codec": "libopus", "rate": 48000},
    "opus.mkv": {"audio_codec": "libopus", "rate": 48000},
    "mp3.mp4": {"audio_codec": "libmp3lame"},
    "pcm.mov": {"audio_codec": "pcm_s16le", "layout": "mono", "rate": 22050},
    "transport.ts": {},
    "late-video.mp4": {"video_start": 0.6},
    "late-video.mkv": {"video_start": 0.6},
    "late-audio.mp4": {"audio_start": 0.36},
    "late-audio.mkv": {"audio_start": 0.36},
    "both-late.webm": {
        "video_codec": "libvpx-vp9",
        "audio_codec": "libopus",
        "rate": 48000,
        "video_start": 2.0,
        "audio_start": 1.0,
    },
}


@pytest.mark.parametrize("name", KINDS)
def test_the_beep_sounds_while_the_flash_is_shown(tmp_path, name):
    path = write_flashes(tmp_path / name, **KINDS[name])
    clip = decode_frames(path)
    white = (clip.frames.float().mean((1, 2, 3)) > 128).nonzero().flatten().tolist()
    assert white == list(FLASHES)
    for flash in FLASHES:
        for lead_frames in (0, 1, 7, flash):  # spans that start at, before and well before the flash, and at 0
            start = (flash - lead_frames) / FRAME_RATE
            duration = lead_frames / FRAME_RATE + 0.2
            sound = decode_audio(path, start_seconds=start, duration_seconds=duration, sampling_rate=16000)
            assert sound.samples.shape == (round(duration * 16000),)
            assert sound.has_track
            near = max(0, lead_frames - 2) * 16000 // FRAME_RATE
            began, ended = beep(sound.samples[near : (lead_frames + 3) * 16000 // FRAME_RATE], 16000)
            assert near / 16000 + began == pytest.approx(lead_frames / FRAME_RATE, abs=0.005)
            assert near / 16000 + ended == pytest.approx((lead_frames + 1) / FRAME_RATE, abs=0.005)


def test_a_span_is_a_piece_of_the_whole(tmp_path):
    """A seek gives what decoding from the start gives, at the file's own rate and at another."""
    for name in ("aac.mp4", "opus.mkv", "mp3.mp4"):
        path = write_flashes(tmp_path / name, **KINDS[name])
        for rate in (48000 if "opus" in name else 44100, 16000):
            whole = decode_audio(path, start_seconds=0, duration_seconds=4, sampling_rate=rate).samples
            part = decode_audio(path, start_seconds=1.8, duration_seconds=0.6, sampling_rate=rate).samples
            shift = round(1.8 * rate)
            error = min(  # times in .mkv are rounded to milliseconds: a few samples to either side
                float((part - whole[shift + late : shift + late + len(part)]).abs().max()) for late in range(-48, 49)
            )
            assert error < 0.02
            assert float(part.abs().max()) > 0.3


@pytest.mark.parametrize("name", KINDS)
def test_where_no_seek_lands_early_enough_the_file_is_read_from_its_start(tmp_path, monkeypatch, name):
    path = write_flashes(tmp_path / name, **KINDS[name])
    span = {"start_seconds": FLASHES[1] / FRAME_RATE - 0.1, "duration_seconds": 0.3, "sampling_rate": 16000}
    sought = decode_audio(path, **span).samples
    for steps in ((), (-0.5,), (-0.5, 50.0)):  # the second: a first seek that lands too late
        monkeypatch.setattr(audio, "_STEPS_BACK_SECONDS", steps)
        again = decode_audio(path, **span).samples
        assert beep(again, 16000) == pytest.approx(beep(sought, 16000), abs=0.003)


def test_silence_where_the_track_is_not(tmp_path):
    path = write_flashes(tmp_path / "a.mp4", audio_start=0.2, audio_end=1.0)
    clip = decode_audio(path, start_seconds=0, duration_seconds=4, sampling_rate=16000)
    assert clip.has_track
    assert clip.num_silent == pytest.approx(16000 * 3.2, abs=1000)
    assert float(clip.samples[17000:].abs().max()) == 0
    after = decode_audio(path, start_seconds=3, duration_seconds=0.5, sampling_rate=8000)
    assert after.num_silent == 4000
    assert float(after.samples.abs().max()) == 0


def test_a_clip_without_sound_is_silence_and_says_so(tmp_path, random_frames):
    path = write_video(tmp_path / "a.mp4", random_frames(8))
    for source in (path, path.read_bytes()):
        clip = decode_audio(source, start_seconds=0.25, duration_seconds=0.5, sampling_rate=16000)
        assert not clip.has_track
        assert clip.num_silent == 8000
        assert torch.equal(clip.samples, torch.zeros(8000))


def test_samples_stay_in_range_and_channels_are_mixed(tmp_path):
    path = tmp_path / "loud.mov"
    with av.open(str(path), "w") as container:
        video = container.add_stream("mpeg4", rate=10)
        video.width, video.height = 32, 32
        sound = container.add_stream("pcm_f32le", rate=16000, layout="stereo")
        for _ in range(10):
            picture = av.VideoFrame.from_ndarray(np.zeros((32, 32, 3), np.uint8), format="rgb24")
            container.mux(video.encode(picture))
        container.mux(video.encode())
        samples = np.array([[0.5, 0.25] * 8000 + [3.0, 3.0] * 7999 + [np.nan] * 2], dtype=np.float32)
        frame = av.AudioFrame.from_ndarray(samples, format="flt", layout="stereo")
        frame.sample_rate, frame.pts = 16000, 0
        container.mux(sound.encode(frame))
    clip = decode_audio(path, start_seconds=0, duration_seconds=1, sampling_rate=16000)
    assert torch.allclose(clip.samples[100:7900], torch.tensor(0.375), atol=1e-3)
    assert torch.equal(clip.samples[8100:15000], torch.ones(6900))
    assert clip.samples.isfinite().all()


def test_a_truncated_or_damaged_track_is_a_reason(tmp_path):
    path = write_flashes(tmp_path / "a.mp4")
    with av.open(str(path)) as source, av.open(str(tmp_path / "b.mp4"), "w", options={"movflags": "faststart"}) as copy:
        streams = {stream.index: copy.add_stream_from_template(stream) for stream in source.streams}
        for packet in source.demux():
            if packet.dts is not None:
                packet.stream = streams[packet.stream.index]
                copy.mux(packet)
    data = (tmp_path / "b.mp4").read_bytes()
    early = decode_audio(data[: len(data) * 3 // 4], start_seconds=0, duration_seconds=0.5, sampling_rate=16000)
    assert early.num_silent == 0  # what is there is used
    with pytest.raises(BadVideoError, match="truncated"):
        decode_audio(data[: len(data) * 3 // 4], start_seconds=3.2, duration_seconds=0.5, sampling_rate=16000)
    with av.open(str(path)) as source:
        places = [(packet.pos, packet.size) for packet in source.demux(source.streams.audio[0]) if packet.size]
    broken = bytearray(path.read_bytes())
    for place, size in places[40:60]:
        broken[place : place + size] = bytes([0xFF]) * size
    with pytest.raises(BadVideoError, match="its audio is damaged"):
        decode_audio(bytes(broken), start_seconds=1, duration_seconds=0.5, sampling_rate=16000)


def test_what_is_no_video_is_a_reason(tmp_path):
    (tmp_path / "a.mp4").write_text("no video at all\n" * 50)
    with pytest.raises(BadVideoError, match="not a readable video"):
        decode_audio(tmp_path / "a.mp4", start_seconds=0, duration_seconds=1, sampling_rate=16000)


@pytest.mark.parametrize(("option", "value"), [("start_seconds", -0.1), ("duration_seconds", 0), ("sampling_rate", 0)])
def test_options_that_make_no_sense_are_named(tmp_path, option, value):
    options = {"start_seconds": 0.0, "duration_seconds": 1.0, "sampling_rate": 16000} | {option: value}
    with pytest.raises(ValueError, match=f"{option} is {value}; expected"):
        decode_audio(tmp_path / "a.mp4", **options)
