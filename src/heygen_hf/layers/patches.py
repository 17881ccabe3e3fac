"""Tubelet patches: a clip as a sequence of flattened (time × height × width) blocks, and back, exactly."""

import torch

PatchSize = tuple[int, int, int]


def patch_grid(frames: int, height: int, width: int, patch_size: PatchSize) -> tuple[int, int, int]:
    """The token grid of a clip, `(frames / pt, height / ph, width / pw)`.

    Raises:
        ValueError: a size that its patch does not divide, naming the nearest sizes that work.
    """
    grid = []
    for name, size, patch in zip(("frames", "height", "width"), (frames, height, width), patch_size, strict=True):
        if size < patch or size % patch:
            lower, upper = max(size // patch, 1) * patch, -(-size // patch) * patch
            nearest = f"{lower}" if lower >= size or lower == upper else f"{lower} or {upper}"
            raise ValueError(f"{name}={size} is not a multiple of its patch size {patch}: use {nearest}.")
        grid.append(size // patch)
    return grid[0], grid[1], grid[2]


def patchify(video: torch.Tensor, patch_size: PatchSize) -> torch.Tensor:
    """`(batch, frames, channels, height, width)` → `(batch, tokens, pt * ph * pw * channels)`.

    Tokens are ordered time, row, column; within a patch the values are ordered time, row, column, channel.
    """
    batch, frames, channels, height, width = video.shape
    t, h, w = patch_grid(frames, height, width, patch_size)
    pt, ph, pw = patch_size
    blocks = video.reshape(batch, t, pt, channels, h, ph, w, pw)
    return blocks.permute(0, 1, 4, 6, 2, 5, 7, 3).reshape(batch, t * h * w, pt * ph * pw * channels)


def unpatchify(tokens: torch.Tensor, grid: tuple[int, int, int], patch_size: PatchSize) -> torch.Tensor:
    """The exact inverse of `patchify`, for a token grid `(t, h, w)`."""
    t, h, w = grid
    pt, ph, pw = patch_size
    batch, channels = tokens.shape[0], tokens.shape[-1] // (pt * ph * pw)
    blocks = tokens.reshape(batch, t, h, w, pt, ph, pw, channels)
    return blocks.permute(0, 1, 4, 7, 2, 5, 3, 6).reshape(batch, t * pt, channels, h * ph, w * pw)
