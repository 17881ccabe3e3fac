import pytest
import torch

from heygen_hf.evaluation.clip_figures import signal_sync, sync_of_embeddings


def test_embeddings_in_step_have_no_offset_and_late_sound_has_one():
    generator = torch.Generator().manual_seed(0)
    video = torch.randn(40, 8, generator=generator)
    noise = 0.05 * torch.randn(40, 8, generator=generator)
    in_step = sync_of_embeddings(video, video + noise, max_offset_frames=5)
    assert in_step.offset_frames == 0
    assert in_step.distance < 0.3
    assert in_step.confidence > 2
    early = sync_of_embeddings(video, video.roll(-3, 0), max_offset_frames=5)
    assert early.offset_frames == 3  # the sound is three frames early: it has to come three later
    assert early.distance == pytest.approx(0, abs=1e-9)
    strangers = sync_of_embeddings(video, torch.randn(40, 8, generator=generator), max_offset_frames=5)
    assert strangers.confidence < 1 < in_step.confidence


def test_the_distance_is_the_mean_over_frames():
    video = torch.zeros(12, 4)
    sound = torch.zeros(12, 4)
    sound[:, 0] = 3
    score = sync_of_embeddings(video, sound, max_offset_frames=2)
    assert (score.distance, score.confidence, score.offset_frames) == (3.0, 0.0, 0)


def test_plain_signals_correlate():
    motion = torch.sin(torch.arange(60) * 0.7)
    assert signal_sync(motion, 5 + 3 * motion, max_offset_frames=3).correlation == pytest.approx(1.0)
    late = signal_sync(motion, motion.roll(2), max_offset_frames=3)
    assert late.offset_frames == -2
    assert late.correlation == pytest.approx(1.0)
    with pytest.raises(ValueError, match="the sound never changes"):
        signal_sync(motion, torch.ones(60), max_offset_frames=3)
    with pytest.raises(ValueError, match="at least two more frames than offsets"):
        signal_sync(motion[:4], motion[:4], max_offset_frames=3)
