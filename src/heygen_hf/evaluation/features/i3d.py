"""I3D, the network of the Fréchet video distance, with the layer names of the published PyTorch weights."""

import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from torch import nn
from torch.nn import functional as F

_BRANCHES = {  # widths of the 1x1, the two 3x3 branches (reduced, then full) and the pooled branch
    "Mixed_3b": (192, (64, 96, 128, 16, 32, 32)),
    "Mixed_3c": (256, (128, 128, 192, 32, 96, 64)),
    "Mixed_4b": (480, (192, 96, 208, 16, 48, 64)),
    "Mixed_4c": (512, (160, 112, 224, 24, 64, 64)),
    "Mixed_4d": (512, (128, 128, 256, 24, 64, 64)),
    "Mixed_4e": (512, (112, 144, 288, 32, 64, 64)),
    "Mixed_4f": (528, (256, 160, 320, 32, 128, 128)),
    "Mixed_5b": (832, (256, 160, 320, 32, 128, 128)),
    "Mixed_5c": (832, (384, 192, 384, 48, 128, 128)),
}
_POOLINGS = {  # kernel and stride before the layer of this name
    "Conv3d_2b_1x1": ((1, 3, 3), (1, 2, 2)),
    "Mixed_3b": ((1, 3, 3), (1, 2, 2)),
    "Mixed_4b": ((3, 3, 3), (2, 2, 2)),
    "Mixed_5b": ((2, 2, 2), (2, 2, 2)),
}
MIN_FRAMES = 10
"""Fewer leave nothing for the last pooling over time."""


class _Unit3D(nn.Module):
    """Convolution with TensorFlow's "same" padding, a norm and an activation."""

    def __init__(
        self,
        in_channels: int,
        out_channels: int,
        kernel: tuple[int, int, int] = (1, 1, 1),
        stride: tuple[int, int, int] = (1, 1, 1),
        *,
        plain: bool = False,
    ) -> None:
        super().__init__()
        self.conv3d = nn.Conv3d(in_channels, out_channels, kernel, stride, bias=plain)
        self.bn = None if plain else nn.BatchNorm3d(out_channels, eps=0.001, momentum=0.01)

    def forward(self, hidden: torch.Tensor) -> torch.Tensor:
        hidden = self.conv3d(_pad_same(hidden, self.conv3d.kernel_size, self.conv3d.stride))
        return hidden if self.bn is None else F.relu(self.bn(hidden))


class _Inception(nn.Module):
    def __init__(self, in_channels: int, widths: tuple[int, ...]) -> None:
        super().__init__()
        self.b0 = _Unit3D(in_channels, widths[0])
        self.b1a = _Unit3D(in_channels, widths[1])
        self.b1b = _Unit3D(widths[1], widths[2], (3, 3, 3))
        self.b2a = _Unit3D(in_channels, widths[3])
        self.b2b = _Unit3D(widths[3], widths[4], (3, 3, 3))
        self.b3b = _Unit3D(in_channels, widths[5])

    def forward(self, hidden: torch.Tensor) -> torch.Tensor:
        pooled = _max_pool_same(hidden, (3, 3, 3), (1, 1, 1))
        branches = [self.b0(hidden), self.b1b(self.b1a(hidden)), self.b2b(self.b2a(hidden)), self.b3b(pooled)]
        return torch.cat(branches, dim=1)


class InceptionI3D(nn.Module):
    """Inflated Inception-v1 (Carreira & Zisserman 2017, arXiv:1705.07750), up to its logits.

    | input | shape | values |
    |---|---|---|
    | `pixels` | `(batch, 3, frames, height, width)`, 10 frames or more of 224x224 | in [-1, 1] |
    | returns | `(batch, num_classes)` | logits before the softmax, the mean over time |
    """

    def __init__(self, *, num_classes: int = 400) -> None:
        super().__init__()
        self.Conv3d_1a_7x7 = _Unit3D(3, 64, (7, 7, 7), (2, 2, 2))
        self.Conv3d_2b_1x1 = _Unit3D(64, 64)
        self.Conv3d_2c_3x3 = _Unit3D(64, 192, (3, 3, 3))
        for name, (in_channels, widths) in _BRANCHES.items():
            self.add_module(name, _Inception(in_channels, widths))
        self.logits = _Unit3D(1024, num_classes, plain=True)

    def forward(self, pixels: torch.Tensor) -> torch.Tensor:
        if pixels.ndim != 5 or pixels.shape[1] != 3 or pixels.shape[2] < MIN_FRAMES or min(pixels.shape[3:]) < 224:
            raise ValueError(
                f"pixels have shape {tuple(pixels.shape)}; expected (batch, 3, frames, height, width) with at least "
                f"{MIN_FRAMES} frames of 224x224"
            )
        hidden = self.Conv3d_1a_7x7(pixels)
        for name in ("Conv3d_2b_1x1", "Conv3d_2c_3x3", *_BRANCHES):
            if name in _POOLINGS:
                hidden = _max_pool_same(hidden, *_POOLINGS[name])
            hidden = getattr(self, name)(hidden)
        hidden = F.avg_pool3d(hidden, (2, 7, 7), stride=1)
        return self.logits(hidden).mean((2, 3, 4))


def load_i3d(source: str | os.PathLike[str]) -> InceptionI3D:
    """I3D with trained weights, in eval mode.

    Args:
        source: a safetensors file, or a state dict saved by torch, of which nothing but tensors is read. The names are
            those of the published PyTorch port (`Mixed_3b.b0.conv3d.weight` …).

    Raises:
        ValueError: there is no such file, it holds something else, or weights are missing or of another shape.
    """
    path = Path(source)
    if not path.is_file():
        raise ValueError(f"{path} is no file; give I3D's weights as .safetensors, or a state dict saved by torch")
    tensors = _read_tensors(path)
    prefix = next((p for p in ("module.", "i3d.", "model.") if all(name.startswith(p) for name in tensors)), "")
    tensors = {name.removeprefix(prefix): value for name, value in tensors.items()}
    classes = tensors.get("logits.conv3d.weight")
    network = InceptionI3D(num_classes=400 if classes is None else classes.shape[0])
    own = network.state_dict()
    for name, value in own.items():
        if name not in tensors and not name.endswith("num_batches_tracked"):
            raise ValueError(f"{path.name} has no {name}; expected the state dict of the PyTorch port of I3D")
        if name in tensors and tensors[name].shape != value.shape:
            raise ValueError(
                f"{name} has shape {tuple(tensors[name].shape)} in {path.name}, and I3D's is {tuple(value.shape)}"
            )
    network.load_state_dict({name: tensors.get(name, value) for name, value in own.items()})
    return network.requires_grad_(False).eval()


def _read_tensors(path: Path) -> dict[str, torch.Tensor]:
    if path.suffix == ".safetensors":
        from safetensors import SafetensorError
        from safetensors.torch import load_file

        try:
            return load_file(path)
        except (SafetensorError, OSError) as error:
            raise ValueError(f"{path.name} does not read as safetensors ({error}); download it again") from error
    try:
        loaded: Any = torch.load(path, map_location="cpu", weights_only=True)
    except Exception as error:  # torch raises whatever the archive makes it
        first_line = (str(error).strip() or type(error).__name__).splitlines()[0]
        raise ValueError(
            f"{path.name} is no state dict of plain tensors ({first_line}); save one as .safetensors"
        ) from error
    if isinstance(loaded, Mapping) and isinstance(loaded.get("state_dict"), Mapping):
        loaded = loaded["state_dict"]
    if not isinstance(loaded, Mapping) or not all(isinstance(value, torch.Tensor) for value in loaded.values()):
        raise ValueError(f"{path.name} is no state dict of plain tensors; save one as .safetensors")
    return dict(loaded)


def _pad_same(hidden: torch.Tensor, kernel: tuple[int, ...], stride: tuple[int, ...]) -> torch.Tensor:
    """TensorFlow's "same": as many outputs as strides fit, the odd row at the end."""
    padding: list[int] = []
    for size, width, step in zip(hidden.shape[2:], kernel, stride, strict=True):
        missing = max(width - (size % step or step), 0)
        padding = [missing // 2, missing - missing // 2, *padding]
    return F.pad(hidden, padding) if any(padding) else hidden


def _max_pool_same(hidden: torch.Tensor, kernel: tuple[int, ...], stride: tuple[int, ...]) -> torch.Tensor:
    return F.max_pool3d(_pad_same(hidden, kernel, stride), kernel, stride)  # what is pooled is never below 0
