"""Mean and spread of cached latents, by which a generator's input is normalised."""

from collections.abc import Iterable

import torch

from heygen_hf.data.cache.encoding_store import EncodingCache


def latent_statistics(
    cache: EncodingCache, keys: Iterable[bytes] | None = None, *, sampled: bool = False
) -> tuple[torch.Tensor, torch.Tensor]:
    """Mean and standard deviation of each channel, one item in memory at a time.

    Args:
        cache: of latents.
        keys: those of the training split; None for everything the cache holds.
        sampled: of samples of the posterior, instead of its mean: the variance of `latents_logvar` is added.

    Returns:
        Two float64 tensors `(channels,)`.

    Raises:
        ValueError: there are no latents, or they differ in their channels.
    """
    count, mean, squares = 0, torch.zeros(0), torch.zeros(0)
    # sorted, so that rounding does not depend on who wrote which shard
    for key in sorted(cache.keys() if keys is None else set(keys)):
        encoding = cache.read(key)
        latents = encoding["latents"].double().movedim(1, 0).flatten(1)  # (channels, values)
        if count == 0:
            mean, squares = latents.new_zeros(latents.shape[0]), latents.new_zeros(latents.shape[0])
        if latents.shape[0] != mean.shape[0]:
            raise ValueError(
                f"cached latents have {mean.shape[0]} and {latents.shape[0]} channels; expected one number"
            )
        # merging of means and sums of squares (Chan et al. 1983), which does not cancel as sums of x² do
        number, item_mean = latents.shape[1], latents.mean(1)
        shift = item_mean - mean
        squares += (latents - item_mean[:, None]).square().sum(1) + shift.square() * count * number / (count + number)
        if sampled:
            squares += encoding["latents_logvar"].double().exp().movedim(1, 0).flatten(1).sum(1)
        count += number
        mean = mean + shift * number / count
    if count == 0:
        raise ValueError(f"{cache.folder} holds no latents to take the mean of; fill it first")
    return mean, (squares / count).sqrt()
