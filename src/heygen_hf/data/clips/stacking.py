"""Tensors of single items to one of the batch: stacked where they are equal in shape, else padded with zeros."""

from collections.abc import Mapping, Sequence
from typing import Any

import torch
from torch.nn.utils.rnn import pad_sequence

Items = Sequence[Mapping[str, Any]]


def stack_videos(
    items: Items, key: str, *, missing_shape: tuple[int, int, int, int]
) -> tuple[torch.Tensor, torch.Tensor | None]:
    """Stack `frames` (uint8) or `latents` (floating point), `(frames, channels, height, width)` each.

    Returns:
        `(batch, frames, channels, height, width)` with zeros in place of None; and bool `(batch,)`, False at
        these, or None where there are none.

    Raises:
        ValueError: shapes or kinds differ.
    """
    videos = [item.get(key) for item in items]
    mask = None
    if any(video is None for video in videos):
        mask = torch.tensor([video is not None for video in videos])
        like = next((video for video in videos if video is not None), None)
        blank = torch.zeros_like(like) if like is not None else torch.zeros(missing_shape, dtype=torch.uint8)
        videos = [blank if video is None else video for video in videos]
    try:
        stacked = torch.stack(videos)  # type: ignore[arg-type]
    except (RuntimeError, TypeError) as error:
        raise ValueError(_why_not(items, key) or f"{key} cannot be stacked: {error}") from error
    fits = stacked.dtype == torch.uint8 if key == "frames" else stacked.is_floating_point()
    if stacked.ndim != 5 or not fits:
        kind = "uint8" if key == "frames" else "floating point"
        raise ValueError(
            f"{key} of a batch are {stacked.dtype} {tuple(stacked.shape)}; expected {kind} (frames, channels, height, "
            "width) each"
        )
    return stacked, mask


def _why_not(items: Items, key: str) -> str | None:
    """What the shapes are, where they differ."""
    by_shape: dict[tuple[int, ...], list[Any]] = {}
    for position, item in enumerate(items):
        if isinstance(item.get(key), torch.Tensor):
            by_shape.setdefault(tuple(item[key].shape), []).append(item.get("index", position))
    if len(by_shape) < 2:
        return None
    shapes = ", ".join(f"{shape} (item {members[0]})" for shape, members in sorted(by_shape.items()))
    return (
        f"{key} of one batch have {len(by_shape)} shapes: {shapes}; give the processor one size, or let buckets put "
        "clips of one shape into a batch"
    )


def pad_audio(items: Items) -> tuple[torch.Tensor, torch.Tensor]:
    """`audio`, `(samples,)` each or None: float `(batch, samples)` and its mask, bool; at least one sample long."""
    sounds = [item.get("audio") for item in items]
    for position, (item, sound) in enumerate(zip(items, sounds, strict=True)):
        if sound is not None and (sound.ndim != 1 or not sound.is_floating_point()):
            raise ValueError(
                f"audio of item {item.get('index', position)} is {sound.dtype} {tuple(sound.shape)}; expected mono "
                "floating point (samples,)"
            )
    lengths = torch.tensor([0 if sound is None else len(sound) for sound in sounds])
    # a stand-in of one sample keeps the batch from having no samples, which models do not take
    values = pad_sequence([torch.zeros(1) if sound is None else sound for sound in sounds], batch_first=True)
    if values.shape[1] == 0:
        values = torch.zeros(len(items), 1)
    return values, torch.arange(values.shape[1]) < lengths[:, None]


def pad_embeddings(items: Items) -> tuple[torch.Tensor, torch.Tensor]:
    """`text_embeddings`, `(tokens, width)` each or None, with `text_embeddings_mask`, `(tokens,)`, or none.

    Returns:
        `(batch, tokens, width)` and its mask, int64 `(batch, tokens)`.

    Raises:
        ValueError: widths differ, a mask does not fit, or no item has any, so that the width is not known.
    """
    rows = [item.get("text_embeddings") for item in items]
    like = next((row for row in rows if row is not None), None)
    if like is None:
        raise ValueError("no item of the batch has text_embeddings, so their width is not known; use larger batches")
    masks = []
    for position, (item, row) in enumerate(zip(items, rows, strict=True)):
        mask = item.get("text_embeddings_mask")
        if row is not None and (row.ndim != 2 or row.shape[1] != like.shape[-1] or not row.is_floating_point()):
            raise ValueError(
                f"text_embeddings of item {item.get('index', position)} is {row.dtype} {tuple(row.shape)}; expected "
                f"floating point (tokens, {like.shape[-1]}), as in the rest of the batch"
            )
        if row is not None and mask is not None and mask.shape != row.shape[:1]:
            raise ValueError(
                f"text_embeddings_mask of item {item.get('index', position)} is {tuple(mask.shape)}; expected "
                f"({row.shape[0]},), one value a token"
            )
        if row is None:
            masks.append(torch.zeros(1, dtype=torch.int64))
        else:
            masks.append(torch.ones(len(row), dtype=torch.int64) if mask is None else mask.to(torch.int64))
    filled = [like.new_zeros(1, like.shape[-1]) if row is None else row for row in rows]
    return pad_sequence(filled, batch_first=True), pad_sequence(masks, batch_first=True)
