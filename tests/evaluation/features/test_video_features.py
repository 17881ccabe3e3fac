import math

import pytest
import torch
from torch import nn

from heygen_hf.evaluation.features import FeaturePreprocessing, VideoFeatures, embedded_video_features
from heygen_hf.evaluation.features.embedded_scales import drawn_clips


class Mean(nn.Module):
    """The mean colour of each clip, times a weight."""

    def __init__(self):
        super().__init__()
        self.weight = nn.Parameter(torch.ones(3))

    def forward(self, pixels):
        return pixels.mean((1, 3, 4)) * self.weight


def features(**options):
    return VideoFeatures(Mean(), name="mean", preprocessing=FeaturePreprocessing(**options))


def test_every_choice_changes_the_hash_and_the_same_choices_do_not():
    base = features()
    assert base.hash == features().hash
    others = [
        features(height=8, width=8),
        features(height=8, width=8, antialias=False),
        features(num_frames=2),
        features(frame_stride=2),
        features(value_range=(-1.0, 1.0)),
        features(mean=(0.5,) * 3, std=(0.5,) * 3),
    ]
    assert len({each.hash for each in [base, *others]}) == 7
    trained = features()
    trained.network.weight.data[0] = 2
    assert trained.weights_hash != base.weights_hash


def test_preprocessing_by_hand():
    clips = torch.rand(2, 6, 3, 4, 4)
    clips[:, 1::2] = 0
    half = features(frame_stride=2, num_frames=2, value_range=(-1.0, 1.0), mean=(0.5,) * 3, std=(2.0,) * 3)
    expected = ((clips[:, [0, 2]] * 2 - 1 - 0.5) / 2).mean((1, 3, 4))
    torch.testing.assert_close(half(clips), expected)
    torch.testing.assert_close(features()((clips * 255).to(torch.uint8)), features()(clips), atol=1 / 255, rtol=0)
    grey = clips[:, :, :1]
    torch.testing.assert_close(features()(grey), features()(grey.expand(-1, -1, 3, -1, -1)))
    stretched = FeaturePreprocessing(height=8, width=6, layout="channels_first")(clips)
    assert stretched.shape == (2, 3, 6, 8, 6)


def test_the_embedded_network_is_the_same_everywhere_and_leaves_the_seeds_alone():
    torch.manual_seed(1)
    first = embedded_video_features()
    state = torch.get_rng_state()
    torch.manual_seed(2)
    second = embedded_video_features()
    assert first.hash == second.hash
    assert first.weights_hash == "f2d45b4b3cb5778b6e6cdbf06113ea3c"  # another hash is another metric
    torch.manual_seed(1)
    assert torch.equal(torch.get_rng_state(), state)


def test_the_embedded_network_sees_motion_and_colour():
    eyes = embedded_video_features()
    clips = drawn_clips(12, seed=5)
    seen = eyes(clips)
    assert seen.shape == (12, 128)
    between_clips = torch.pdist(seen).mean()
    grey = clips.mean(2, keepdim=True).expand_as(clips)
    frozen = clips[:, :1].expand_as(clips)
    for changed in (grey, frozen):
        assert float((eyes(changed) - seen).norm(dim=1).max()) > 0.3 * float(between_clips)


def test_bad_input_is_one_line():
    with pytest.raises(ValueError, match=r"expected \(batch, frames, channels, height, width\)"):
        features()(torch.rand(4, 3, 8, 8))
    with pytest.raises(ValueError, match="clips have 4 frames and the features need 5"):
        features(num_frames=3, frame_stride=2)(torch.rand(1, 4, 3, 8, 8))
    broken = features()
    broken.network.weight.data[0] = math.nan
    with pytest.raises(ValueError, match="features that are not finite"):
        broken(torch.rand(1, 4, 3, 8, 8))
    with pytest.raises(ValueError, match="pooling is 'max'"):
        VideoFeatures(Mean(), name="mean", preprocessing=FeaturePreprocessing(), pooling="max")
    for options in (
        {"height": 8},
        {"mean": (0.5,)},
        {"frame_stride": 0},
        {"layout": "rows"},
        {"interpolation": "sinc"},
    ):
        with pytest.raises(ValueError, match=r"go together|at least 1|expected one of"):
            FeaturePreprocessing(**options)
