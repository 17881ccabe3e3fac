"""Between a transformer's latents and an autoencoder of diffusers."""

from typing import Any

import torch


def normalize_latents(vae: Any, latents: torch.Tensor) -> torch.Tensor:
    """What the transformer sees of an autoencoder's latents `(batch, channels, frames, height, width)`."""
    shift, scale = _shift_and_scale(vae, latents)
    return (latents - shift) / scale


def decode_latents(vae: Any, latents: torch.Tensor) -> torch.Tensor:
    """A transformer's clip `(batch, frames, channels, height, width)` of latents as video of the same layout."""
    channels_first = latents.transpose(1, 2)
    shift, scale = _shift_and_scale(vae, channels_first)
    # diffusers' video autoencoders want channels before frames, here alone.
    decoded = vae.decode((channels_first * scale + shift).to(vae.dtype), return_dict=False)[0]
    return decoded.float().transpose(1, 2)


def _shift_and_scale(vae: Any, latents: torch.Tensor) -> tuple[torch.Tensor | float, torch.Tensor | float]:
    """Mean and standard deviation per channel when the autoencoder knows them, else its scaling factor."""
    config = vae.config
    if getattr(config, "latents_mean", None) is not None and getattr(config, "latents_std", None) is not None:
        per_channel = (1, -1, 1, 1, 1)
        mean = torch.tensor(config.latents_mean).view(per_channel).to(latents)
        return mean, torch.tensor(config.latents_std).view(per_channel).to(latents)
    return getattr(config, "shift_factor", None) or 0.0, 1.0 / (getattr(config, "scaling_factor", None) or 1.0)
