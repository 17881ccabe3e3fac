"""VGG-16's layers, and the key names of the published weights (random ones of its shapes: no download)."""

import pytest
import torch
from safetensors.torch import save_file
from torch import nn

from heygen_hf.losses import VGG16Features, load_vgg16_features

# timm/vgg16.tv_in1k: index in `features` -> (out, in)
PUBLISHED = {
    0: (64, 3),
    2: (64, 64),
    5: (128, 64),
    7: (128, 128),
    10: (256, 128),
    12: (256, 256),
    14: (256, 256),
    17: (512, 256),
    19: (512, 512),
    21: (512, 512),
    24: (512, 512),
    26: (512, 512),
    28: (512, 512),
}


def published_weights(last: int = 12) -> dict[str, torch.Tensor]:
    weights = {"head.fc.weight": torch.zeros(10, 4), "pre_logits.fc1.weight": torch.zeros(4, 8, 1, 1)}
    for index, (out_channels, in_channels) in PUBLISHED.items():
        if index <= last:
            weights[f"features.{index}.weight"] = 0.05 * torch.randn(out_channels, in_channels, 3, 3)
            weights[f"features.{index}.bias"] = 0.1 * torch.randn(out_channels)
    return weights


def test_every_convolution_has_its_published_name_and_shape() -> None:
    with torch.device("meta"):
        network = VGG16Features(layers=("relu5_3",))
    expected = {f"features.{i}.weight": (*widths, 3, 3) for i, widths in PUBLISHED.items()}
    expected |= {f"features.{i}.bias": (widths[0],) for i, widths in PUBLISHED.items()}
    assert {name: tuple(value.shape) for name, value in network.state_dict().items()} == expected
    shapes = {name: tuple(value.shape) for name, value in network(torch.zeros(1, 3, 32, 32, device="meta")).items()}
    assert shapes == {"relu5_3": (1, 512, 2, 2)}


def test_loaded_features_equal_the_sequential_network(tmp_path) -> None:
    weights = published_weights()
    save_file(weights, tmp_path / "model.safetensors")
    convolutions = {}
    for index in (0, 2, 5, 7, 10):
        out_channels, in_channels = PUBLISHED[index]
        convolutions[index] = nn.Conv2d(in_channels, out_channels, 3, padding=1)
        convolutions[index].load_state_dict({k: weights[f"features.{index}.{k}"] for k in ("weight", "bias")})
    sequence = [
        convolutions.get(i) or (nn.MaxPool2d(2) if i in {4, 9} else nn.ReLU()) for i in range(12)
    ]  # torchvision's order: convolution, ReLU, ..., pooling at 4 and 9
    pixels = torch.randn(2, 3, 9, 8)
    for source in (tmp_path, tmp_path / "model.safetensors"):
        network = load_vgg16_features(source, layers=("relu1_2", "relu3_1"))
        assert not any(parameter.requires_grad for parameter in network.parameters())
        features = network(pixels)
        assert list(features) == ["relu1_2", "relu3_1"]
        torch.testing.assert_close(features["relu1_2"], nn.Sequential(*sequence[:4])(pixels))
        torch.testing.assert_close(features["relu3_1"], nn.Sequential(*sequence)(pixels))


def test_other_weights_are_refused(tmp_path) -> None:
    weights = published_weights()
    del weights["features.5.bias"]
    save_file(weights, tmp_path / "model.safetensors")
    with pytest.raises(ValueError, match=r"the checkpoint has no features.5.bias"):
        load_vgg16_features(tmp_path, layers=("relu2_1",))
    weights = published_weights()
    weights["features.2.weight"] = torch.zeros(64, 32, 3, 3)
    with pytest.raises(ValueError, match=r"features.2.weight has shape \(64, 32, 3, 3\)"):
        VGG16Features(layers=("relu1_2",)).load_published(weights)
    with pytest.raises(ValueError, match="is no file"):
        load_vgg16_features(tmp_path / "absent.safetensors")


def test_bad_input_is_named() -> None:
    with pytest.raises(ValueError, match=r"layers=\('relu9_1',\): expected some of relu1_1"):
        VGG16Features(layers=("relu9_1",))
    network = VGG16Features(layers=("relu2_1",))
    with pytest.raises(ValueError, match=r"expected \(images, 3, height, width\)"):
        network(torch.zeros(1, 1, 8, 8))
    with pytest.raises(ValueError, match="1 x 8 are too small for relu2_1, which needs 2 x 2"):
        network(torch.zeros(1, 3, 1, 8))
