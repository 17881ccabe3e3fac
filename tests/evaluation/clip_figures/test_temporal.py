import pytest
import torch

from heygen_hf.evaluation.clip_figures import (
    consecutive_similarity,
    flicker_of_clips,
    identity_similarity_of_embeddings,
    motion_smoothness_of_clips,
    subject_consistency_of_features,
)


def ramp(*values):
    """A clip of one frame a value, all its pixels alike."""
    return torch.tensor(values).reshape(1, -1, 1, 1, 1).expand(1, -1, 3, 4, 4)


def test_flicker_is_one_less_the_mean_difference_of_neighbours():
    assert float(flicker_of_clips(ramp(0.5, 0.5, 0.5))) == 1.0
    assert float(flicker_of_clips(ramp(0.0, 1.0, 0.0))) == 0.0
    # VBench: (255 - mean absolute difference) / 255
    assert float(flicker_of_clips(ramp(0.0, 0.2, 0.6))) == pytest.approx((255 - 255 * (0.2 + 0.4) / 2) / 255)


def test_smoothness_judges_every_second_frame_by_its_neighbours():
    assert float(motion_smoothness_of_clips(ramp(0.0, 0.1, 0.2, 0.3, 0.4))) == pytest.approx(1.0)
    assert float(motion_smoothness_of_clips(ramp(0.0, 0.5, 0.2, 0.3, 0.4))) == pytest.approx(1 - (0.4 + 0.0) / 2)
    # the last of an even number has one neighbour only
    assert float(motion_smoothness_of_clips(ramp(0.0, 0.1, 0.2, 0.9))) == pytest.approx(1.0)
    first = motion_smoothness_of_clips(ramp(0.0, 0.5, 0.2), interpolate=lambda before, after: before)
    assert float(first) == pytest.approx(0.5)


def test_subject_consistency_by_hand():
    axes = torch.eye(3)
    still = torch.stack([axes[0]] * 3)
    assert float(subject_consistency_of_features(still[None])) == pytest.approx(1.0)
    # frame 1 is like neither; frame 2 is like frame 1 and not like the first: (0 + 0)/2 and (1 + 0)/2
    moved = torch.stack([axes[0], axes[1], axes[1]])
    assert float(subject_consistency_of_features(moved[None])) == pytest.approx(0.25)
    # opposite directions count as 0, not as -1
    assert float(subject_consistency_of_features(torch.stack([axes[0], -axes[0]])[None])) == 0.0
    assert float(consecutive_similarity(torch.stack([axes[0], -axes[0]])[None])) == pytest.approx(-1.0)
    assert float(consecutive_similarity(moved[None])) == pytest.approx(0.5)


def test_identity_similarity_is_to_the_references_mean_direction():
    axes = torch.eye(2)
    frames = torch.stack([axes[0], axes[1]])[None]
    reference = torch.stack([axes[0] * 5, axes[1]])[None]  # lengths do not count
    assert float(identity_similarity_of_embeddings(frames, reference)) == pytest.approx(2**-0.5)
    assert float(identity_similarity_of_embeddings(frames, frames[:, :1])) == pytest.approx(0.5)
    with pytest.raises(ValueError, match="identity_similarity: embeddings have shape"):
        identity_similarity_of_embeddings(frames, torch.zeros(1, 2, 3))


def test_too_few_frames_are_one_line():
    with pytest.raises(ValueError, match=r"temporal_flicker: clips have shape .* at least 2 frames"):
        flicker_of_clips(ramp(0.0))
    with pytest.raises(ValueError, match="at least 3 frames"):
        motion_smoothness_of_clips(ramp(0.0, 1.0))
    with pytest.raises(ValueError, match="at least 2 frames"):
        subject_consistency_of_features(torch.zeros(1, 1, 3))
