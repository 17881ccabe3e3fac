"""Between a transformer's latents and an autoencoder of diffusers, for images or for videos.

A transformer sees `(latents - shift) / scale` of the autoencoder's latents, per channel. Training and sampling take
both from the autoencoder itself, so that what one does the other undoes: from `latents_mean` and `latents_std` (in its
configuration, or held as buffers), else from its `shift_factor` and `scaling_factor`. An autoencoder that knows neither
is given measured ones, see `record_normalization`.
"""

from collections.abc import Mapping
from typing import Any

import torch

_SMALLEST_STD = 1e-6  # a channel that never changes stays as it is
# Decoded as `latents * std / scaling_factor + mean` by their own pipelines; all others use either.
_SCALED_BESIDE_THEIR_SPREAD = ("AutoencoderKLMochi", "AutoencoderKLLTXVideo")


def known_normalization(vae: Any, num_channels: int) -> tuple[torch.Tensor, torch.Tensor] | None:
    """Shift and scale of each latent channel, float32 `(channels,)`; None where the autoencoder knows neither.

    Values for another number of channels are the defaults of a class that was built at another size; a scaling factor
    of 1, and buffers of zeros and ones, are defaults too.
    """
    buffers = dict(vae.named_buffers(recurse=False)) if hasattr(vae, "named_buffers") else {}
    found = []
    for name in ("latents_mean", "latents_std"):
        value = getattr(vae.config, name, None)
        if value is None and name in buffers and not _untouched(buffers):
            value = buffers[name]
        if value is not None and torch.as_tensor(value).shape == (num_channels,):
            found.append(torch.as_tensor(value, dtype=torch.float32, device="cpu"))
    shift, scaling = getattr(vae.config, "shift_factor", None), getattr(vae.config, "scaling_factor", None)
    if len(found) == 2:
        beside = type(vae).__name__ in _SCALED_BESIDE_THEIR_SPREAD
        return found[0], found[1] / (scaling or 1.0) if beside else found[1]
    if shift is None and scaling in (None, 1.0):
        return None
    return torch.full((num_channels,), shift or 0.0), torch.full((num_channels,), 1.0 / (scaling or 1.0))


def _untouched(buffers: dict[str, torch.Tensor]) -> bool:
    """Whether a LTX's buffers are as its class makes them: mean 0, spread 1."""
    return not buffers["latents_mean"].any() and bool((buffers["latents_std"] == 1).all())


def record_normalization(vae: Any, mean: torch.Tensor, std: torch.Tensor) -> None:
    """Make measured values `(channels,)` the autoencoder's own, wherever its class and other software look for them.

    A LTX holds them as buffers (and does not load with both); every other class as `latents_mean` and `latents_std` of
    its configuration, where a Wan's defaults are those of the published Wan. CogVideoX and images have one
    `scaling_factor` for all channels besides, for software that knows nothing else.
    """
    std = torch.where(std > _SMALLEST_STD, std, torch.ones_like(std))
    buffers = dict(vae.named_buffers(recurse=False)) if hasattr(vae, "named_buffers") else {}
    if "latents_mean" in buffers:
        buffers["latents_mean"].copy_(mean)
        buffers["latents_std"].copy_(std)
        return
    vae.register_to_config(latents_mean=mean.tolist(), latents_std=std.tolist())
    if type(vae).__name__ in _SCALED_BESIDE_THEIR_SPREAD:
        vae.register_to_config(scaling_factor=1.0)
    elif vae.config.get("scaling_factor") is not None:
        spread = (std.square() + (mean - mean.mean()).square()).mean().sqrt().item()
        shift = {"shift_factor": mean.mean().item()} if "shift_factor" in vae.config else {}
        vae.register_to_config(scaling_factor=1 / max(spread, _SMALLEST_STD), **shift)


def normalize_latents(vae: Any, latents: torch.Tensor) -> torch.Tensor:
    """What the transformer sees of an autoencoder's latents `(batch, channels, frames, height, width)`."""
    shift, scale = _shift_and_scale(vae, latents)
    return (latents - shift) / scale


def decode_latents(vae: Any, latents: torch.Tensor) -> torch.Tensor:
    """A transformer's clip `(batch, frames, channels, height, width)` of latents as video of the same layout."""
    channels_first = latents.transpose(1, 2).to(vae.device)
    shift, scale = _shift_and_scale(vae, channels_first)
    channels_first = (channels_first * scale + shift).to(vae.dtype)
    if is_image_autoencoder(vae):
        images = channels_first.transpose(1, 2).flatten(0, 1)
        decoded = vae.decode(images, return_dict=False)[0]
        return decoded.float().unflatten(0, latents.shape[:2])
    # diffusers' video autoencoders want channels before frames, here alone.
    decoded = vae.decode(channels_first, return_dict=False)[0]
    return decoded.float().transpose(1, 2)


def encode_to_posterior(vae: Any, video: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
    """Mean and log variance of an autoencoder's latents of video in [-1, 1].

    Args:
        video: `(batch, frames, channels, height, width)`.

    Returns:
        Two tensors `(batch, latent frames, latent channels, latent height, latent width)`, not normalised.
    """
    if is_image_autoencoder(vae):
        found = vae.encode(video.flatten(0, 1)).latent_dist
        return found.mean.unflatten(0, video.shape[:2]), found.logvar.unflatten(0, video.shape[:2])
    found = vae.encode(video.transpose(1, 2)).latent_dist
    return found.mean.transpose(1, 2), found.logvar.transpose(1, 2)


def is_image_autoencoder(vae: Any) -> bool:
    """Whether an autoencoder takes images, and so each frame by itself."""
    first = next(weight for name, weight in vae.named_parameters() if name.endswith("weight") and weight.ndim > 3)
    return first.ndim == 4


def check_geometry(vae: Any, config: Any) -> None:
    """Refuse an autoencoder whose latents are not the transformer's clips, as far as its configuration tells.

    Args:
        config: the transformer's.

    Raises:
        ValueError: other channels, or another compression of time or space; names both.
    """
    values = getattr(vae, "config", None)
    if not isinstance(values, Mapping):
        return
    temporal, spatial = _known_compression(type(vae).__name__, values)
    channels = values.get("latent_channels") or values.get("z_dim")
    own = {"num_channels": channels, "temporal_compression": temporal, "spatial_compression": spatial}
    for name, value in own.items():
        if value is not None and value != getattr(config, name):
            raise ValueError(
                f"the transformer's {name} is {getattr(config, name)} and that of the autoencoder, a "
                f"{type(vae).__name__}, is {value}: pass the one whose latents it was trained on."
            )


def check_decoded(video: torch.Tensor, latents: torch.Tensor, *, config: Any, made_by: str) -> None:
    """Refuse a video of another size than the transformer's configuration says of its clips.

    Args:
        video, latents: `(batch, frames, channels, height, width)`.
        made_by: the autoencoder's class.
    """
    spatial = config.spatial_compression
    made = (video.shape[1], *video.shape[3:])
    expected = (config.input_frames(latents.shape[1]), *(size * spatial for size in latents.shape[3:]))
    if made != expected:
        raise ValueError(
            f"the autoencoder, a {made_by}, makes {'x'.join(map(str, made))} (frames, height, width) of latents that "
            f"stand for {'x'.join(map(str, expected))}: the transformer was trained with temporal_compression="
            f"{config.temporal_compression} and spatial_compression={spatial}; pass the autoencoder of its training."
        )


def _known_compression(class_name: str, values: Mapping[str, Any]) -> tuple[int | None, int | None]:
    """Frames and pixels to a latent, where an autoencoder's blocks say it; other classes show it when they decode."""
    if "dim_mult" in values and "temperal_downsample" in values:
        # A Wan's own scale factors are those of the published Wan, whatever its blocks.
        spatial = 2 ** (len(values["dim_mult"]) - 1) * (values.get("patch_size") or 1)
        return 2 ** sum(map(bool, values["temperal_downsample"])), spatial
    if class_name == "AutoencoderKL":
        return 1, 2 ** (len(values["block_out_channels"]) - 1)
    if class_name == "AutoencoderKLCogVideoX":
        return int(values["temporal_compression_ratio"]), 2 ** (len(values["block_out_channels"]) - 1)
    return None, None


def fit_latent_size(size: int, *, compression: int, patch: int, keeps_first: bool) -> tuple[int, list[int]]:
    """How many latents `size` frames (or pixels) become, and the nearest sizes that work where it does not fit.

    Args:
        patch: latents that a token of the transformer takes along this axis.
        keeps_first: the first frame is compressed by itself: 4n + 1 frames make n + 1 latents.

    Returns:
        The number of latents, and an empty list where the size fits.
    """
    first = 1 if keeps_first else 0
    latent, rest = divmod(size - first, compression)
    latent += first
    if size >= 1 and not rest and latent >= patch and latent % patch == 0:
        return latent, []
    below = max(1, latent // patch)
    return latent, [(count * patch - first) * compression + first for count in (below, below + 1)]


def _shift_and_scale(vae: Any, latents: torch.Tensor) -> tuple[torch.Tensor | float, torch.Tensor | float]:
    known = known_normalization(vae, latents.shape[1])
    if known is None:
        return 0.0, 1.0
    shift, scale = (value.view(1, -1, 1, 1, 1).to(latents) for value in known)
    return shift, scale


def draw_latents(shape: tuple[int, ...], *, generator: torch.Generator | list[torch.Generator] | None) -> torch.Tensor:
    """Standard normal noise `(videos, frames, channels, height, width)`, drawn video by video.

    Raises:
        ValueError: as many generators as videos are expected.
    """
    generators = generator if isinstance(generator, list) else [generator] * shape[0]
    if len(generators) != shape[0]:
        raise ValueError(
            f"{len(generators)} generators were given for {shape[0]} videos; give one each, or one in all."
        )
    return torch.stack(
        [torch.randn(shape[1:], generator=g, device=g.device if g is not None else "cpu").cpu() for g in generators]
    )
