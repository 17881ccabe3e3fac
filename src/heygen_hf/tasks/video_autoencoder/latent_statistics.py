"""Mean and spread of an autoencoder's latents, by which a generator's input is normalised."""

from collections.abc import Iterable
from typing import Any

import torch

from heygen_hf.pipelines.latents import encode_to_posterior, record_normalization

_SMALLEST_STD = 1e-6  # a channel that never changes stays as it is


@torch.no_grad()
def measure_latents(autoencoder: Any, batches: Iterable[torch.Tensor]) -> tuple[torch.Tensor, torch.Tensor, int]:
    """Mean and standard deviation of each channel of the posterior's mean, and the number of clips.

    Args:
        batches: `(batch, frames, channels, height, width)` in [-1, 1].

    Raises:
        ValueError: there are no clips.
    """
    count, clips, mean, squares = 0, 0, torch.zeros(0), torch.zeros(0)
    for batch in batches:
        latents = encode_to_posterior(autoencoder, batch)[0].double().movedim(2, 0).flatten(1).cpu()
        if not count:
            mean, squares = latents.new_zeros(len(latents)), latents.new_zeros(len(latents))
        # merging of means and sums of squares (Chan et al. 1983), which does not cancel as sums of x² do
        number, shift = latents.shape[1], latents.mean(1) - mean
        squares += (latents - latents.mean(1, keepdim=True)).square().sum(1)
        squares += shift.square() * count * number / (count + number)
        count, clips = count + number, clips + len(batch)
        mean = mean + shift * number / count
    if not count:
        raise ValueError("there are no clips to measure the latents of.")
    return mean, (squares / count).sqrt(), clips


def store_statistics(autoencoder: Any, mean: torch.Tensor, std: torch.Tensor) -> None:
    """Make measured values `(channels,)` the autoencoder's own, wherever its class and software around it look.

    A LTX holds them as buffers (and does not load with both); every other class as `latents_mean` and `latents_std` of
    its configuration, where a Wan's defaults are those of the published Wan. CogVideoX and images have one
    `scaling_factor` for all channels besides, for software that knows nothing else.
    """
    buffers = dict(autoencoder.named_buffers(recurse=False))
    if "latents_mean" in buffers:
        buffers["latents_mean"].copy_(mean)
        buffers["latents_std"].copy_(torch.where(std > _SMALLEST_STD, std, torch.ones_like(std)))
        return
    record_normalization(autoencoder, mean, std)
    if autoencoder.config.get("scaling_factor") is not None:
        spread = (std.square() + (mean - mean.mean()).square()).mean().sqrt().item()
        shift = {"shift_factor": mean.mean().item()} if "shift_factor" in autoencoder.config else {}
        autoencoder.register_to_config(scaling_factor=1 / max(spread, _SMALLEST_STD), **shift)
