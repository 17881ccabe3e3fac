import pytest
import torch
from torch import nn

from heygen_hf.evaluation.clip_figures import perceptual_distance_of_clips
from heygen_hf.evaluation.features.embedded import embedded_network
from heygen_hf.losses import VGG16Features


def test_by_hand():
    """Unit vectors of two layers: the same direction is 0 apart, a right angle 2."""

    class Layers(nn.Module):
        def forward(self, images):
            angle = images[:, 0] * torch.pi / 2
            return {"a": torch.stack([angle.cos(), angle.sin()], 1) * 7, "b": torch.ones(len(images), 2, 1, 1)}

    clips, references = torch.zeros(2, 3, 1, 4, 4), torch.zeros(2, 3, 1, 4, 4)
    clips[1] = 1.0
    found = perceptual_distance_of_clips(Layers(), clips, references)
    assert found.tolist() == pytest.approx([0.0, 1.0], abs=1e-6)  # (2 + 0) / 2 layers


@pytest.mark.parametrize(
    "network", [VGG16Features(layers=("relu1_2", "relu2_2")), embedded_network()], ids=["vgg", "own"]
)
def test_grows_with_the_difference(network):
    target = torch.rand(1, 2, 3, 16, 16)
    noise = torch.randn(target.shape)
    near, far = (perceptual_distance_of_clips(network, target + scale * noise, target) for scale in (0.05, 0.5))
    assert 0 < float(near) < float(far)
    assert float(perceptual_distance_of_clips(network, target, target)) == 0


def test_a_network_without_maps_is_refused():
    with pytest.raises(ValueError, match="gives no maps"):
        perceptual_distance_of_clips(nn.Flatten(), torch.zeros(1, 1, 3, 4, 4), torch.zeros(1, 1, 3, 4, 4))
