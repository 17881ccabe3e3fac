"""Which rows of a video's time axis attend to which: causal, causal by blocks, windowed.

A stream holds caption tokens, then tokens of which there are a few per row (audio), then the video's, row by row. A row
is one step of the token grid's time axis, and captions are of row -1. The rule is one for every pattern: a token of row
r attends to the captions and to the rows from `first(r)` to `last(r)`, a caption to captions.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Literal

import torch
from transformers.masking_utils import ALL_MASK_ATTENTION_FUNCTIONS

CAPTION_ROW = -1


@dataclass(frozen=True)
class RowPattern:
    """A rule of attention between rows.

    Attributes:
        kind: "causal" for rows that attend to their own block and earlier ones; "windowed" to those nearby.
        block: rows of a block; 1 is causal row by row.
        window: rows attended to before a row's block, and for "windowed" on either side of the row; None for all.
    """

    kind: Literal["causal", "windowed"]
    block: int = 1
    window: int | None = None

    def __post_init__(self) -> None:
        if self.kind == "windowed" and self.window is None:
            raise ValueError('a "windowed" pattern needs its window, the rows attended to on either side.')

    def read_by(self, row: int, num_rows: int) -> tuple[int, int]:
        """First and last row that a row of a video of `num_rows` attends to."""
        if self.kind == "windowed" and self.window is not None:
            return max(0, row - self.window), min(num_rows - 1, row + self.window)
        start = row // self.block * self.block
        first = 0 if self.window is None else max(0, start - self.window)
        return first, min(num_rows, start + self.block) - 1

    def mask_function(self, query_rows: torch.Tensor, key_rows: torch.Tensor) -> Callable:
        """The rule as transformers' mask interface takes it, for tokens of the rows given, `(tokens,)` each."""
        caption = query_rows == CAPTION_ROW
        if self.kind == "windowed" and self.window is not None:
            first, last = query_rows - self.window, query_rows + self.window
        else:
            start = query_rows // self.block * self.block
            first = torch.zeros_like(query_rows) if self.window is None else start - self.window
            last = start + self.block - 1
        last = torch.where(caption, CAPTION_ROW, last)

        def attends(
            batch: torch.Tensor,  # noqa: ARG001
            head: torch.Tensor,  # noqa: ARG001
            query: torch.Tensor,
            key: torch.Tensor,
        ) -> torch.Tensor:
            row = key_rows[key]
            return (row == CAPTION_ROW) | ((row >= first[query]) & (row <= last[query]))

        return attends


@dataclass(frozen=True)
class StreamRows:
    """How the tokens of a stream lie: captions, then each row's extra tokens (audio), then the video's, row by row.

    Attributes:
        caption_tokens: of row -1, at the start.
        tokens_per_row: of the video.
        num_rows: rows in the stream.
        extra_per_row: tokens of each row between captions and video, row by row.
        first_row: the row of the first, where earlier ones are cached.
    """

    caption_tokens: int
    tokens_per_row: int
    num_rows: int
    extra_per_row: int = 0
    first_row: int = 0

    def of_tokens(self, *, device: torch.device | None = None) -> torch.Tensor:
        """The row of each token, `(tokens,)`."""
        rows = torch.arange(self.num_rows, device=device) + self.first_row
        captions = torch.full((self.caption_tokens,), CAPTION_ROW, device=device)
        extra, video = rows.repeat_interleave(self.extra_per_row), rows.repeat_interleave(self.tokens_per_row)
        return torch.cat((captions, extra, video))

    @property
    def count(self) -> int:
        """Tokens in the stream."""
        return self.caption_tokens + self.num_rows * (self.extra_per_row + self.tokens_per_row)


def row_pattern_mask(
    pattern: RowPattern,
    stream: StreamRows,
    *,
    attn_implementation: str,
    batch: int,
    dtype: torch.dtype,
    device: torch.device,
    padding: torch.Tensor | None = None,
    cached_rows: torch.Tensor | None = None,
) -> Any:
    """The mask of a pattern, in the form that an attention implementation takes.

    Args:
        attn_implementation: a name known to transformers' mask interface.
        padding: bool `(batch, key tokens)`, False where a key is padding, or None.
        cached_rows: rows of the cached tokens, `(cached tokens,)`, which come before the stream's own as keys.

    Raises:
        ValueError: an implementation that takes no such mask.
    """
    if "flash" in attn_implementation:
        raise ValueError(
            f'attn_implementation="{attn_implementation}" knows no masks between rows; with an attention_pattern use '
            '"sdpa", "flex_attention", "chunked", "matmul" or "eager".'
        )
    rows = stream.of_tokens(device=device)
    keys = rows if cached_rows is None else torch.cat((cached_rows, rows))
    return ALL_MASK_ATTENTION_FUNCTIONS[attn_implementation](
        batch_size=batch,
        q_length=rows.shape[0],
        kv_length=keys.shape[0],
        q_offset=0,
        kv_offset=0,
        mask_function=pattern.mask_function(rows, keys),
        attention_mask=padding,
        allow_is_causal_skip=False,
        allow_is_bidirectional_skip=False,
        dtype=dtype,
        device=device,
        # For implementations that choose the keys of each row themselves.
        row_pattern=pattern if cached_rows is None else None,
        stream_rows=stream,
    )
