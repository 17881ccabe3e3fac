"""The feature layers of VGG-16, in plain torch, with the key names of `timm/vgg16.tv_in1k`."""

import os
from collections.abc import Mapping, Sequence
from pathlib import Path

import torch
from torch import nn
from torch.nn import functional as F

# Width and number of the 3 x 3 convolutions between two poolings.
BLOCKS = ((64, 2), (128, 2), (256, 3), (512, 3), (512, 3))
LAYERS = tuple(f"relu{block}_{conv}" for block, (_, convs) in enumerate(BLOCKS, 1) for conv in range(1, convs + 1))
DEFAULT_LAYERS = ("relu1_2", "relu2_2", "relu3_3", "relu4_3")
WEIGHTS_FILE = "model.safetensors"


class VGG16Features(nn.Module):
    """Convolutions of VGG-16 (Simonyan & Zisserman 2014, arXiv:1409.1556), as far as the last layer asked for.

    | input | shape | values |
    |---|---|---|
    | `pixels` | `(images, 3, height, width)`, 16 pixels or more for every block | ImageNet-normalised RGB |
    | returns | name -> `(images, channels, height / 2^(block - 1), width / 2^(block - 1))` | at least 0 |

    Args:
        layers: which activations to return, names as in the literature: `relu<block>_<convolution>`.

    Example:
        >>> features = VGG16Features(layers=("relu2_2",))(torch.randn(1, 3, 32, 32))
        >>> features["relu2_2"].shape
        torch.Size([1, 128, 16, 16])
    """

    def __init__(self, *, layers: Sequence[str] = DEFAULT_LAYERS) -> None:
        super().__init__()
        unknown = [name for name in layers if name not in LAYERS]
        if unknown or not layers:
            raise ValueError(f"layers={tuple(layers)}: expected some of {', '.join(LAYERS)}.")
        self.layers = tuple(layers)
        depth = 1 + max(map(LAYERS.index, layers))
        self.features = nn.ModuleDict()  # convolution -> its index in the published nn.Sequential
        self._steps: list[tuple[str, str, bool]] = []  # layer, index, whether a pooling comes first
        index, in_channels = 0, 3
        for name, (width, opens_block) in zip(LAYERS, _widths(), strict=True):
            if len(self._steps) == depth:
                break
            index += int(opens_block and index > 0)  # the pooling has a place in the sequence
            self.features[str(index)] = nn.Conv2d(in_channels, width, kernel_size=3, padding=1)
            self._steps.append((name, str(index), opens_block and index > 0))
            index += 2  # the ReLU has one too
            in_channels = width

    def forward(self, pixels: torch.Tensor) -> dict[str, torch.Tensor]:
        if pixels.ndim != 4 or pixels.shape[1] != 3:
            raise ValueError(f"pixels have shape {tuple(pixels.shape)}: expected (images, 3, height, width).")
        smallest = 2 ** sum(pooled for _, _, pooled in self._steps)
        if min(pixels.shape[-2:]) < smallest:
            raise ValueError(
                f"pixels of {pixels.shape[-2]} x {pixels.shape[-1]} are too small for {self._steps[-1][0]}, which "
                f"needs {smallest} x {smallest}: choose earlier layers or larger clips."
            )
        outputs = {}
        hidden = pixels
        for name, index, pooled in self._steps:
            if pooled:
                hidden = F.max_pool2d(hidden, kernel_size=2)
            hidden = F.relu(self.features[index](hidden))
            if name in self.layers:
                outputs[name] = hidden
        return outputs

    def load_published(self, state_dict: Mapping[str, torch.Tensor]) -> None:
        """Take over `features.<index>.weight` and `.bias`; later layers and the classifier are left out.

        Raises:
            ValueError: a convolution is missing or has another shape.
        """
        own = self.state_dict()
        missing = [name for name in own if name not in state_dict]
        if missing:
            raise ValueError(f"the checkpoint has no {missing[0]}: expected VGG-16 as in timm/vgg16.tv_in1k.")
        for name, value in own.items():
            if state_dict[name].shape != value.shape:
                raise ValueError(
                    f"{name} has shape {tuple(state_dict[name].shape)} in the checkpoint, expected "
                    f"{tuple(value.shape)}: it is not VGG-16 without batch norm."
                )
        self.load_state_dict({name: state_dict[name] for name in own})


def load_vgg16_features(
    source: str | os.PathLike[str] = "timm/vgg16.tv_in1k",
    *,
    layers: Sequence[str] = DEFAULT_LAYERS,
    revision: str | None = None,
) -> VGG16Features:
    """VGG-16's features with trained weights, in eval mode, without gradients of their own.

    Args:
        source: a safetensors file, a folder with `model.safetensors`, or the name of a Hub repository.
        layers: which activations to return.
        revision: branch, tag or commit of the Hub repository.
    """
    from safetensors.torch import load_file

    path = Path(source)
    if path.is_dir():
        path = path / WEIGHTS_FILE
    elif not path.is_file():
        if path.suffix == ".safetensors" or path.is_absolute() or len(path.parts) > 2:
            raise ValueError(f"{source} is no file: give a .safetensors file, its folder, or a Hub repository's name.")
        from huggingface_hub import hf_hub_download

        path = Path(hf_hub_download(str(source), WEIGHTS_FILE, revision=revision))
    if not path.is_file():
        raise ValueError(f"{source} has no {WEIGHTS_FILE}: give a .safetensors file or a folder with one.")
    network = VGG16Features(layers=layers)
    network.load_published(load_file(path))
    return network.requires_grad_(False).eval()


def _widths() -> list[tuple[int, bool]]:
    """For each convolution its width, and whether it opens a block."""
    return [(width, conv == 0) for width, convs in BLOCKS for conv in range(convs)]
