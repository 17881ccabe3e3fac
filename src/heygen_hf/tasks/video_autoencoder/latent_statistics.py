"""Mean and spread of an autoencoder's latents, by which a generator's input is normalised."""

from collections.abc import Iterable
from typing import Any

import torch

from heygen_hf.pipelines.latents import encode_to_posterior


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
