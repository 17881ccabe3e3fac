"""Clips with sound: the waveform of the very frames that are shown."""

import av
import numpy as np
import pytest
import torch

from heygen_hf.data import VideoTextCollator, load_video_dataset, prepare_clips, write_video
from heygen_hf.data.video.audio import decode_audio
from heygen_hf.processing import VideoProcessor

RATE = 8000


@pytest.fixture
def folder(tmp_path, random_frames, write_metadata):
    """A clip of two seconds whose pitch rises with time, and a silent one."""
    clips = tmp_path / "clips"
    clips.mkdir()
    frames = random_frames(20, height=16, width=16)
    with av.open(str(clips / "rising.mp4"), "w") as container:
        video = container.add_stream("libx264", rate=10)
        video.height = video.width = 16
        audio = container.add_stream("aac", rate=16000, layout="mono")
        seconds = np.arange(2 * 16000) / 16000
        wave = (0.5 * np.sin(2 * np.pi * (200 + 300 * seconds) * seconds)).astype(np.float32)[None]
        for frame in frames:
            picture = av.VideoFrame.from_ndarray(frame.permute(1, 2, 0).contiguous().numpy(), format="rgb24")
            container.mux(video.encode(picture))
        sound = av.AudioFrame.from_ndarray(wave, format="fltp", layout="mono")
        sound.sample_rate = 16000
        container.mux(audio.encode(sound))
        container.mux(audio.encode())
        container.mux(video.encode())
    write_video(clips / "silent.mp4", frames, frame_rate=10)
    write_metadata(clips, [{"file_name": f"{name}.mp4", "text": name} for name in ("rising", "silent")])
    return clips


@pytest.mark.parametrize("held", [True, False])
def test_the_sound_is_that_of_the_frames_drawn(folder, tmp_path, held):
    processor = VideoProcessor(num_frames=4, temporal_stride=2, height=16, width=16, frame_position="random")
    clips, _ = prepare_clips(
        load_video_dataset(folder),
        processor=processor,
        seed=0,
        cache_dir=tmp_path / "cache",
        audio_sampling_rate=RATE,
        max_clip_mebibytes=32 if held else 0.001,
        progress=False,
    )
    starts = set()
    for epoch in range(4):
        rising, silent = clips.fetch([0, 1], epoch=epoch)
        first = processor.select_frames(20, 10.0, seed=clips.options.seed_of(epoch, 0)).indices[0]
        starts.add(first)
        expected = decode_audio(
            folder / "rising.mp4", start_seconds=first / 10, duration_seconds=0.8, sampling_rate=RATE
        )
        assert torch.equal(rising["audio"], expected.samples)
        assert rising["audio"].abs().max() > 0.3
        assert silent["audio"].shape == (int(0.8 * RATE),)
        assert not silent["audio"].any()
    assert len(starts) > 1
    batch = VideoTextCollator(processor)([rising, silent])
    assert batch["audio_values"].shape == (2, int(0.8 * RATE))
