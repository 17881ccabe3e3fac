"""Which tokens may be attended: plain boolean masks, `True` = attend, that transformers' mask interface turns into
whatever the chosen attention implementation wants."""

import torch


def stream_mask(caption_mask: torch.Tensor | None, *, video_tokens: int) -> torch.Tensor | None:
    """The padding mask of a stream of caption tokens followed by video tokens.

    Args:
        caption_mask: `(batch, caption tokens)`, 1 or True for real tokens; None when there is no padding.

    Returns:
        `(batch, caption tokens + video tokens)` boolean, or None for None: video tokens are never padding.
    """
    if caption_mask is None:
        return None
    return torch.nn.functional.pad(caption_mask.bool(), (0, video_tokens), value=True)


def masked_mean(tokens: torch.Tensor, mask: torch.Tensor | None) -> torch.Tensor:
    """Mean over the attended tokens: `(batch, tokens, size)` and `(batch, tokens)` → `(batch, size)`.

    A row that attends to nothing gives zeros.
    """
    if mask is None:
        return tokens.mean(dim=1)
    weights = mask.to(tokens.dtype)[..., None]
    return (tokens * weights).sum(dim=1) / weights.sum(dim=1).clamp(min=1.0)
