"""Adaptive-norm modulation (DiT, Peebles & Xie 2023, arXiv:2212.09748), per group of tokens instead of per sample."""

import torch


def modulate(hidden: torch.Tensor, shift: torch.Tensor, scale: torch.Tensor) -> torch.Tensor:
    """`hidden * (1 + scale) + shift`; all three broadcast to `(batch, tokens, size)`."""
    return torch.addcmul(hidden + shift, hidden, scale)


def spread_over_tokens(groups: torch.Tensor, *, prefix_tokens: int, tokens_per_group: int) -> torch.Tensor:
    """Give every token of a stream its group's values.

    The stream is a caption prefix followed by video tokens in time order. Group 0 belongs to the prefix; group
    1 + i to the i-th run of `tokens_per_group` video tokens (all tokens that span the same frames).

    Args:
        groups: `(batch, 1 + video groups, size)`.

    Returns:
        `(batch, prefix_tokens + video groups * tokens_per_group, size)`.
    """
    prefix = groups[:, :1].expand(-1, prefix_tokens, -1)
    video = groups[:, 1:, None].expand(-1, -1, tokens_per_group, -1).flatten(1, 2)
    return torch.cat((prefix, video), dim=1)
