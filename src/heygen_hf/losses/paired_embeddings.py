"""Two modalities' embeddings of the same items: their layout, and which items have both."""

import torch

from heygen_hf.losses.bad_input import check_same_shape


def check_embedding_pair(
    first: torch.Tensor,
    second: torch.Tensor,
    first_present: torch.Tensor | None = None,
    second_present: torch.Tensor | None = None,
) -> tuple[torch.Tensor, torch.Tensor]:
    """Which items have the first and which the second modality, bool `(batch,)` each, all where nothing was given."""
    check_same_shape("one modality's", first, "the other's", second)
    if first.ndim != 2 or not first.is_floating_point() or first.numel() == 0:
        raise ValueError(
            f"embeddings are {first.dtype} of shape {tuple(first.shape)}: expected (batch, width) of floats."
        )
    masks = []
    for present in (first_present, second_present):
        if present is None:
            present = torch.ones(len(first), dtype=torch.bool, device=first.device)
        if present.shape != first.shape[:1]:
            raise ValueError(
                f"a presence mask has shape {tuple(present.shape)}: expected ({len(first)},), one an item."
            )
        masks.append(present.bool())
    return masks[0], masks[1]


def check_some_pair(both: torch.Tensor) -> None:
    """At least one item has both modalities."""
    if not torch.compiler.is_compiling() and not bool(both.any()):
        raise ValueError(
            f"none of {len(both)} items has both modalities: nothing to compare. Check the data's columns and masks."
        )


def inner_products(first: torch.Tensor, second: torch.Tensor) -> torch.Tensor:
    """`(items, others)`, in the precision given also under autocast: bfloat16 cosines times 100 are off by 0.4."""
    with torch.autocast(first.device.type, enabled=False):
        return first @ second.mT
