"""Sampling at a rate by the times at which frames are shown."""

import numpy as np
import pytest
import torch

from heygen_hf.processing import VideoProcessor


def test_the_frames_on_screen_at_the_wanted_moments():
    processor = VideoProcessor(num_frames=4, target_fps=5)
    times = [0, 0.1, 0.2, 0.7, 0.8]
    for form in (times, np.array(times), torch.tensor(times, dtype=torch.float64)):
        assert processor.select_frames(5, 6.0, timestamps_seconds=form).indices == (0, 2, 2, 2)


@pytest.mark.parametrize("position", ["start", "center", "random"])
@pytest.mark.parametrize("policy", ["repeat_last", "loop", "zero", "drop"])
@pytest.mark.parametrize(("frame_rate", "target_fps"), [(30, 20), (30, 10), (24, 24), (10, 25), (29.97, 8)])
def test_at_a_constant_rate_nothing_changes(position, policy, frame_rate, target_fps):
    processor = VideoProcessor(num_frames=7, target_fps=target_fps, frame_position=position, pad_policy=policy)
    for total in (1, 2, 5, 20, 33, 90):
        exact = np.arange(total) / frame_rate
        in_milliseconds = np.round(exact, 3) if frame_rate == round(frame_rate) else exact
        for times in (exact, 8.25 + exact, in_milliseconds):
            for seed in (None, 0, 1, 2):
                by_time = processor.select_frames(total, frame_rate, seed=seed, timestamps_seconds=times)
                assert by_time == processor.select_frames(total, frame_rate, seed=seed), (total, seed)


def test_random_starts_reach_every_tick_that_leaves_room():
    times = np.array([0, 0.5, 0.6, 0.7, 0.8, 0.9, 2.0])  # on screen at 0, 0.5, 1, 1.5, 2: frames 0, 1, 5, 5, 6
    processor = VideoProcessor(num_frames=3, target_fps=2, frame_position="random")
    drawn = {processor.select_frames(7, 4, seed=seed, timestamps_seconds=times).indices for seed in range(99)}
    assert drawn == {(0, 1, 5), (1, 5, 5), (5, 5, 6)}


def test_a_stride_does_without_times():
    times = np.array([0, 0.1, 5, 5.1, 9])
    selection = VideoProcessor(num_frames=2, temporal_stride=3).select_frames(5, 1, timestamps_seconds=times)
    assert selection.indices == (0, 3)


def test_times_that_do_not_ascend_are_refused():
    processor = VideoProcessor(target_fps=5)
    for wrong in ([], [0.0, 0.2, 0.1]):
        with pytest.raises(ValueError, match="in ascending order"):
            processor.select_frames(3, 5, timestamps_seconds=wrong)
