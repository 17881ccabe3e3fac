"""An autoencoder of diffusers as a module that reconstructs clips: what a trainer calls.

Shape legend: B batch, T frames, C channels, H height, W width; primes are of latents. Clips are B T C H W everywhere
here; diffusers' video autoencoders want B C T H W, at their own two calls alone.
"""

import json
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import torch
from torch import nn

from heygen_hf.pipelines.latents import encode_to_posterior, is_image_autoencoder
from heygen_hf.training.noise.randomness import generator_for


@dataclass(frozen=True)
class Reconstruction:
    """What an autoencoder made of a batch of clips.

    Attributes:
        clips: `(batch, frames, channels, height, width)`, about [-1, 1].
        mean, logvar: of the posterior, `(batch, latent frames, latent channels, latent height, latent width)`.
    """

    clips: torch.Tensor
    mean: torch.Tensor
    logvar: torch.Tensor


class ReconstructingAutoencoder(nn.Module):
    """Encode, draw from the posterior, decode. The autoencoder inside is the one that is exported.

    Args:
        autoencoder: any `AutoencoderKL…` of diffusers, for videos or (frame by frame) for images.
    """

    def __init__(self, autoencoder: nn.Module) -> None:
        super().__init__()
        self.autoencoder = autoencoder
        self.config = _ConfigOf(autoencoder)

    def forward(
        self, pixel_values: torch.Tensor, *, noise_keys: Sequence[tuple[int, ...]] | None = None
    ) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
        """
        Args:
            pixel_values: `(batch, frames, channels, height, width)` in [-1, 1].
            noise_keys: one for each clip, see `generator_for`; None decodes the posterior's mean.

        Returns:
            The fields of `Reconstruction`: a tuple, since wrappers of modules hand no dataclass on.
        """
        mean, logvar = encode_to_posterior(self.autoencoder, pixel_values)
        latents = mean
        if noise_keys is not None:
            drawn = [torch.randn(mean.shape[1:], generator=generator_for(*key)) for key in noise_keys]
            latents = mean + (0.5 * logvar).exp() * torch.stack(drawn).to(mean)
        return decode(self.autoencoder, latents), mean, logvar

    def activation_checkpointing_enable(
        self,
        activation_checkpointing_kwargs: Any = None,
        every_n_layers: int = 1,
        offload: bool = False,
    ) -> None:
        """As Trainer calls it."""
        if every_n_layers > 1 or offload:
            raise ValueError(
                "an autoencoder recomputes all of its blocks or none: leave out gradient_checkpointing_every and "
                "offload_activations."
            )
        try:
            self.autoencoder.enable_gradient_checkpointing()
        except ValueError as error:
            name = type(self.autoencoder).__name__
            raise ValueError(f"{name} knows no gradient checkpointing; set gradient_checkpointing=false.") from error


def decode(autoencoder: Any, latents: torch.Tensor) -> torch.Tensor:
    """Clips `(batch, frames, channels, height, width)` of latents of the same layout, as the autoencoder gave them.

    With gradients, `AutoencoderKLWan`'s last clamp lets those pass that lead back into [-1, 1].
    """
    if is_image_autoencoder(autoencoder):
        images = autoencoder.decode(latents.flatten(0, 1), return_dict=False)[0]
        return images.unflatten(0, latents.shape[:2])
    channels_first = latents.transpose(1, 2)
    if type(autoencoder).__name__ == "AutoencoderKLWan" and latents.requires_grad:
        return _decode_wan(autoencoder, channels_first).transpose(1, 2)
    return autoencoder.decode(channels_first, return_dict=False)[0].transpose(1, 2)


def _decode_wan(autoencoder: Any, latents: torch.Tensor) -> torch.Tensor:
    """Its decoder's output before the clamp, whose gradient is zero wherever a pixel is beyond black or white: one
    that starts on the wrong side would stay there for ever."""
    from diffusers.models.autoencoders.autoencoder_kl_wan import unpatchify

    pieces: list[torch.Tensor] = []  # the decoder is called for one latent frame after the other
    handle = autoencoder.decoder.register_forward_hook(lambda _module, _inputs, output: pieces.append(output))
    try:
        autoencoder.decode(latents, return_dict=False)
    finally:
        handle.remove()
    clips = torch.cat(pieces, dim=2)
    if autoencoder.config.patch_size is not None:
        clips = unpatchify(clips, patch_size=autoencoder.config.patch_size)
    return _ClampedPixels.apply(clips)


class _ClampedPixels(torch.autograd.Function):
    """Clamps to [-1, 1]; of a pixel outside, a gradient passes whose descent leads back inside."""

    @staticmethod
    def forward(ctx: Any, pixels: torch.Tensor) -> torch.Tensor:
        ctx.save_for_backward(pixels)
        return pixels.clamp(-1, 1)

    @staticmethod
    def backward(ctx: Any, gradient: torch.Tensor) -> torch.Tensor:
        (pixels,) = ctx.saved_tensors
        stuck = ((pixels > 1) & (gradient < 0)) | ((pixels < -1) & (gradient > 0))
        return gradient.masked_fill(stuck, 0)


def last_layer_of(autoencoder: nn.Module) -> nn.Parameter:
    """The weight of the decoder's last convolution."""
    kernels = [weight for name, weight in autoencoder.decoder.named_parameters() if ".conv_out." in f".{name}"]
    kernels = [weight for weight in kernels if weight.ndim > 3]
    if not kernels:
        raise ValueError(
            f"the decoder of {type(autoencoder).__name__} has no conv_out, whose gradient the adaptive weight "
            "compares: set adversarial_weight_is_adaptive=false."
        )
    return kernels[-1]


@contextmanager
def in_slices(
    autoencoder: Any, *, slicing: bool = False, tiling: bool = False, tile_size: int | None = None
) -> Iterator[None]:
    """Within the context large clips are encoded and decoded piece by piece; for inference.

    Args:
        slicing: one clip of a batch after the other.
        tiling: overlapping tiles of each frame, blended where they overlap.
        tile_size: height and width of a tile in pixels, a quarter of which overlaps; by default the class's own.

    Raises:
        ValueError: the autoencoder cannot.
    """
    names = [name for name in vars(autoencoder) if name.startswith(("tile_", "use_"))]
    before = {name: getattr(autoencoder, name) for name in names}
    try:
        if slicing:
            autoencoder.enable_slicing()
        if tiling:
            autoencoder.enable_tiling()
        if tiling and tile_size is not None:
            _set_tile_size(autoencoder, tile_size)
        yield
    except NotImplementedError as error:
        raise ValueError(f"{type(autoencoder).__name__} works in no tiles or slices: leave them off.") from error
    finally:
        for name, value in before.items():
            setattr(autoencoder, name, value)


def _set_tile_size(autoencoder: Any, size: int) -> None:
    ratio = 2 ** (len(autoencoder.config.block_out_channels) - 1) if "block_out_channels" in autoencoder.config else 8
    ratio = int(getattr(autoencoder, "spatial_compression_ratio", ratio))
    if size % (4 * ratio):
        raise ValueError(f"tile_size={size} must be a multiple of {4 * ratio}: four latents, one of which overlaps.")
    values = {"tile_sample_min_height": size, "tile_sample_min_width": size, "tile_sample_min_size": size}
    values |= {"tile_latent_min_height": size // ratio, "tile_latent_min_width": size // ratio}
    values |= {"tile_latent_min_size": size // ratio}
    values |= {"tile_sample_stride_height": size * 3 // 4, "tile_sample_stride_width": size * 3 // 4}
    for name, value in values.items():
        if hasattr(autoencoder, name):
            setattr(autoencoder, name, value)


class _ConfigOf:
    """A configuration of diffusers where transformers' Trainer looks for one of its own."""

    def __init__(self, autoencoder: Any) -> None:
        self._autoencoder = autoencoder

    def to_json_string(self, use_diff: bool = True) -> str:
        """What `save_pretrained` writes as config.json, less how latents are normalised: that is measured later."""
        values = json.loads(self._autoencoder.to_json_string())
        unsaid = {"latents_mean", "latents_std", "scaling_factor", "shift_factor"}
        return json.dumps({name: value for name, value in values.items() if name not in unsaid}, indent=2)
