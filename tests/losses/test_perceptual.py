"""The perceptual loss over every kind of network, against its plain formula."""

import pytest
import torch
from torch import nn
from transformers import ConvNextBackbone, ConvNextConfig, VideoMAEConfig, VideoMAEModel, ViTConfig, ViTModel

from heygen_hf.losses import PerceptualLoss, VGG16Features
from heygen_hf.losses.perceptual import IMAGENET_MEAN, IMAGENET_STD


@pytest.fixture
def clips() -> tuple[torch.Tensor, torch.Tensor]:
    return torch.rand(2, 3, 3, 8, 8) * 2 - 1, torch.rand(2, 3, 3, 8, 8) * 2 - 1


def small_network() -> nn.Module:
    return nn.Sequential(nn.Conv2d(3, 4, 3, padding=1), nn.Tanh(), nn.Dropout(0.5))


@pytest.mark.parametrize("distance", ["l1", "l2"])
def test_is_the_distance_of_normalised_features(clips: tuple, distance: str) -> None:
    network = VGG16Features(layers=("relu1_1", "relu2_1"))
    loss = PerceptualLoss(network, layers=("relu2_1", "relu1_1"), layer_weights=(2.0, 0.5), distance=distance)
    mean, std = (torch.tensor(values)[:, None, None] for values in (IMAGENET_MEAN, IMAGENET_STD))
    ours, theirs = (network(((clip.flatten(0, 1) + 1) / 2 - mean) / std) for clip in clips)
    measure = torch.nn.functional.l1_loss if distance == "l1" else torch.nn.functional.mse_loss
    expected = 2 * measure(ours["relu2_1"], theirs["relu2_1"]) + 0.5 * measure(ours["relu1_1"], theirs["relu1_1"])
    torch.testing.assert_close(loss(*clips), expected)
    assert loss(clips[0], clips[0]) == 0


def test_other_range_and_no_normalisation(clips: tuple) -> None:
    network = small_network()
    reference = PerceptualLoss(network)(*clips)
    bytes_ = PerceptualLoss(network, input_range=(0, 255))(*((clip + 1) * 127.5 for clip in clips))
    torch.testing.assert_close(bytes_, reference)
    ours, theirs = (network(clip.flatten(0, 1)) for clip in clips)
    torch.testing.assert_close(PerceptualLoss(network, normalization=None)(*clips), (ours - theirs).abs().mean())


def test_chunks_change_neither_loss_nor_gradient(clips: tuple) -> None:
    network, results = small_network(), []
    for chunk_size in (None, 1, 4):
        prediction = clips[0].clone().requires_grad_()
        loss = PerceptualLoss(network, chunk_size=chunk_size)(prediction, clips[1])
        loss.backward()
        results.append((loss.detach(), prediction.grad))
    torch.testing.assert_close(results[1], results[0])
    torch.testing.assert_close(results[2], results[0])


def test_the_network_is_frozen_and_never_trains(clips: tuple) -> None:
    loss = PerceptualLoss(small_network()).train()
    prediction = clips[0].clone().requires_grad_()
    loss(prediction, clips[1].requires_grad_()).backward()
    assert prediction.grad.abs().sum() > 0
    assert clips[1].grad is None
    assert all(parameter.grad is None for parameter in loss.features.parameters())
    assert torch.equal(loss(*clips), loss(*clips))  # dropout is off


@pytest.mark.parametrize("feature_input", ["images", "video", "volume"])
def test_frames_that_do_not_count_change_nothing(clips: tuple, feature_input: str) -> None:
    convolution = nn.Conv3d(3, 4, (3, 1, 1), padding=(1, 0, 0))
    network = {"images": small_network(), "volume": convolution, "video": _FramesFirst(convolution)}[feature_input]
    loss = PerceptualLoss(network, feature_input=feature_input)
    mask = torch.tensor([[True, True, False], [True, False, False]])
    spoilt = clips[0].clone()
    spoilt[~mask] = torch.nan
    value = loss(spoilt, clips[1], frame_mask=mask)
    assert value > 0
    assert torch.equal(value, loss(clips[0], clips[1], frame_mask=mask))
    if feature_input == "images":
        kept = [torch.cat((clip[0, :2], clip[1, :1]))[None] for clip in clips]
        torch.testing.assert_close(value, loss(*kept))


class _FramesFirst(nn.Module):
    def __init__(self, convolution: nn.Module) -> None:
        super().__init__()
        self.convolution = convolution

    def forward(self, clip: torch.Tensor) -> torch.Tensor:
        return self.convolution(clip.transpose(1, 2))


def test_any_hub_model_or_backbone(clips: tuple) -> None:
    sizes = {"hidden_size": 8, "num_hidden_layers": 2, "num_attention_heads": 2, "intermediate_size": 8}
    vit = ViTModel(ViTConfig(**sizes, image_size=8, patch_size=4))
    backbone = ConvNextBackbone(
        ConvNextConfig(
            hidden_sizes=[4, 8], depths=[1, 1], num_stages=2, patch_size=2, out_features=["stage1", "stage2"]
        )
    )
    videomae = VideoMAEModel(VideoMAEConfig(**sizes, image_size=8, patch_size=4, num_frames=2, tubelet_size=1))
    two_frames = [clip[:, :2] for clip in clips]
    for network, feature_input, layers in (
        (vit, "images", (1, -1)),
        (backbone, "images", None),
        (videomae, "video", (-1,)),
    ):
        loss = PerceptualLoss(network, layers=layers, feature_input=feature_input)
        prediction = two_frames[0].clone().requires_grad_()
        value = loss(prediction, two_frames[1])
        value.backward()
        assert value > 0
        assert prediction.grad.abs().sum() > 0
    with pytest.raises(ValueError, match=r"layers=\(9,\): ViTModel has 0 to 2"):
        PerceptualLoss(vit, layers=(9,))(*clips)


def test_gradients() -> None:
    network = nn.Sequential(nn.Conv2d(1, 2, 2), nn.Tanh()).double()
    loss = PerceptualLoss(network, distance="l2", normalization=((0.5,), (0.25,)))
    prediction, target = torch.rand(2, 1, 2, 1, 3, 3, dtype=torch.float64)
    assert torch.autograd.gradcheck(lambda clip: loss(clip, target), prediction.requires_grad_())


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"distance": "cosine"}, "distance='cosine' is unknown"),
        ({"feature_input": "frames"}, "feature_input='frames' is unknown: use one of images, video, volume"),
        ({"layers": (0, 1), "layer_weights": (1.0,)}, "1 layer_weights for 2 layers"),
        ({"layer_weights": (-1.0,)}, "layer_weights=-1.0 must be a finite number of at least 0"),
        ({"chunk_size": 0}, "chunk_size=0 must be at least 1"),
        ({"input_range": (1.0, 0.0)}, "must be \\(lowest, highest\\)"),
        ({"normalization": "clip"}, "normalization='clip' is unknown"),
    ],
)
def test_bad_options_are_named(options: dict, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        PerceptualLoss(small_network(), **options)


def test_bad_input_is_named(clips: tuple) -> None:
    loss = PerceptualLoss(VGG16Features(layers=("relu1_1",)), layers=("relu1_2",))
    with pytest.raises(ValueError, match=r"layers=\('relu1_2',\): VGG16Features has relu1_1"):
        loss(*clips)
    with pytest.raises(ValueError, match=r"prediction has shape .* they must agree"):
        loss(clips[0], clips[1][:, :2])
    with pytest.raises(ValueError, match="normalization has 3 channels and the clips 1"):
        loss(clips[0][:, :, :1], clips[1][:, :, :1])
    with pytest.raises(ValueError, match="frame_mask is False for every frame"):
        loss(*clips, frame_mask=torch.zeros(2, 3))
    with pytest.raises(ValueError, match=r"frame_mask has shape \(2, 2\): expected \(2, 3\)"):
        loss(*clips, frame_mask=torch.ones(2, 2))
