"""The autoencoder that a recipe describes, and whether its clips fit it."""

import inspect
import math
from typing import Any

import torch
from torch import nn

from heygen_hf.tasks.recipe import Recipe
from heygen_hf.tasks.recipe_values import nearest_of
from heygen_hf.tasks.text_to_video.encoder_loading import load_autoencoder
from heygen_hf.tasks.video_autoencoder.recipe import ModelSection
from heygen_hf.training.autoencoder.geometry import LatentSize, latent_size

_WAN = "AutoencoderKLWan"


def build_autoencoder(section: ModelSection) -> nn.Module:
    """A fresh or pretrained autoencoder, in float32.

    Raises:
        ValueError: there is no such class, folder or option, or the class cannot be built so.
    """
    if section.pretrained is not None:
        return load_autoencoder(section.pretrained).float()
    cls = autoencoder_class(section)
    try:
        autoencoder = cls(**_options(section, cls))
    except (ValueError, TypeError, IndexError, RuntimeError, AssertionError, ZeroDivisionError) as error:
        reason = (str(error).strip() or type(error).__name__).splitlines()[0]
        raise ValueError(f"model.options do not make an {section.class_name}: {reason}") from error
    if section.initial_std is not None:
        _start_near_the_mean(autoencoder, section.initial_std)
    return autoencoder


def autoencoder_class(section: ModelSection) -> Any:
    """The class of diffusers that a recipe names.

    Raises:
        ValueError: diffusers has no autoencoder of that name.
    """
    import diffusers

    cls = getattr(diffusers, section.class_name, None)
    if cls is None or not section.class_name.startswith("AutoencoderKL"):
        known = sorted(name for name in dir(diffusers) if name.startswith("AutoencoderKL"))
        nearest = nearest_of(section.class_name, known)
        hint = f"did you mean {nearest}?" if nearest else f"there are {', '.join(known)}"
        raise ValueError(f"model.class_name={section.class_name} is no AutoencoderKL… of diffusers; {hint}")
    return cls


def size_of_latents(recipe: Recipe, autoencoder: nn.Module) -> LatentSize:
    """What a clip of the recipe's size becomes.

    Raises:
        ValueError: the autoencoder does not give it back; names the nearest that it does.
    """
    processor = recipe.processor
    try:
        return latent_size(autoencoder, num_frames=processor.num_frames, height=processor.height, width=processor.width)
    except ValueError as error:
        raise ValueError(f"section processor: {error}") from error


@torch.no_grad()
def _start_near_the_mean(autoencoder: Any, std: float) -> None:
    """Let the layer that gives the posterior's log variance, channels after the means, start at this spread."""
    layer = getattr(autoencoder, "quant_conv", None) or autoencoder.encoder.conv_out
    layer = getattr(layer, "conv", layer)
    channels = autoencoder.config.get("z_dim") or autoencoder.config.get("latent_channels")
    layer.weight[channels:] *= 0.1
    layer.bias[channels:] = 2 * math.log(std)


def _options(section: ModelSection, cls: Any) -> dict[str, Any]:
    """The constructor's options, checked by name; Wan's two compression ratios follow from the others."""
    known = [name for name in inspect.signature(cls.__init__).parameters if name not in ("self", "args", "kwargs")]
    for name in section.options:
        if name not in known:
            nearest = nearest_of(name, known)
            hint = f"did you mean {nearest}?" if nearest else f"there are {', '.join(known)}"
            raise ValueError(f"model.options.{name} is no option of {section.class_name}; {hint}")
    options = {name: tuple(v) if isinstance(v, list) else v for name, v in section.options.items()}
    if section.class_name == _WAN:
        options = {name: list(v) if isinstance(v, tuple) else v for name, v in options.items()}
        patch = options.get("patch_size") or 1
        levels, times = options.get("dim_mult", [1, 2, 4, 4]), options.get("temperal_downsample", [False, True, True])
        options.setdefault("scale_factor_spatial", patch * 2 ** (len(levels) - 1))
        options.setdefault("scale_factor_temporal", 2 ** sum(map(bool, times)))
        for name in ("in_channels", "out_channels"):
            options.setdefault(name, 3 * patch**2)
    return options


def count_parameters(model: nn.Module) -> int:
    """All of its weights."""
    return sum(weight.numel() for weight in model.parameters())


def device_of(model: nn.Module) -> torch.device:
    """Where its weights are."""
    return next(model.parameters()).device
