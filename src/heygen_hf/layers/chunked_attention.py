"""Attention between rows that leaves out what a pattern forbids: each chunk of rows against the keys it may see.

A mask forbids pairs after they were multiplied. Here a chunk of rows is multiplied with the rows that its pattern lets
it attend to and with no others, so a window's cost grows linearly with a clip's length, and a causal pattern's is half.
`attn_implementation="chunked"` chooses it; without a pattern it is SDPA.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import torch
from torch import nn
from transformers.integrations.sdpa_attention import sdpa_attention_forward
from transformers.masking_utils import sdpa_mask

from heygen_hf.layers.row_patterns import RowPattern, StreamRows

CHUNKED_ATTENTION = "chunked"
# Rows are taken together until a product has about so many queries: small ones cost more in calls than in numbers.
_QUERIES = 128


@dataclass(frozen=True)
class ChunkedMask:
    """A pattern instead of a mask.

    Attributes:
        padding: bool `(batch, tokens)`, False where a key is padding, or None.
    """

    pattern: RowPattern
    stream: StreamRows
    padding: torch.Tensor | None


def chunked_mask(
    *args: Any, row_pattern: RowPattern | None = None, stream_rows: StreamRows | None = None, **kwargs: Any
) -> ChunkedMask | torch.Tensor | None:
    """A `ChunkedMask` of a row pattern, SDPA's boolean mask of anything else."""
    if row_pattern is None or stream_rows is None:
        return sdpa_mask(*args, **{**kwargs, "allow_is_causal_skip": False})
    return ChunkedMask(row_pattern, stream_rows, kwargs.get("attention_mask"))


def chunked_attention(
    module: nn.Module,
    query: torch.Tensor,
    key: torch.Tensor,
    value: torch.Tensor,
    attention_mask: ChunkedMask | torch.Tensor | None,
    scaling: float,
    dropout: float = 0.0,
    **kwargs: Any,
) -> tuple[torch.Tensor, None]:
    """Softmax attention of each chunk of rows over the keys that its rows may attend to.

    Args:
        query, key, value: `(batch, heads, tokens, head_dim)`; tokens lie as `attention_mask.stream` says.

    Returns:
        `(batch, tokens, heads, head_dim)` and None: there are no maps.
    """
    options = {"scaling": scaling, "dropout": dropout, **kwargs}
    if not isinstance(attention_mask, ChunkedMask):
        return sdpa_attention_forward(module, query, key, value, attention_mask, **options)
    pattern, stream, padding = attention_mask.pattern, attention_mask.stream, attention_mask.padding
    captions: list[torch.Tensor] = []
    extra: list[torch.Tensor] = []
    video: list[torch.Tensor] = []
    if stream.caption_tokens:
        own = slice(0, stream.caption_tokens)
        mask = None if padding is None else padding[:, None, None, own].expand(-1, 1, stream.caption_tokens, -1)
        captions.append(
            sdpa_attention_forward(module, query[:, :, own], key[:, :, own], value[:, :, own], mask, **options)[0]
        )
    for start, stop in _chunks(pattern, stream):
        reads = [pattern.read_by(row, stream.num_rows) for row in range(start, stop)]
        first, last = min(low for low, _ in reads), max(high for _, high in reads)
        mask = None
        if len(set(reads)) > 1:
            mask = _mask_within(pattern, stream, rows=(start, stop), keys=(first, last + 1), device=query.device)
        if padding is not None:
            # Only captions are padded.
            keep = _take(padding, stream, first, last + 1, dim=1, captions=True)[:, None, None]
            mask = keep if mask is None else mask & keep
            mask = mask.expand(-1, 1, (stop - start) * (stream.extra_per_row + stream.tokens_per_row), -1)
        mixed = sdpa_attention_forward(
            module,
            _take(query, stream, start, stop),
            _take(key, stream, first, last + 1, captions=True),
            _take(value, stream, first, last + 1, captions=True),
            mask,
            **options,
        )[0]
        count = (stop - start) * stream.extra_per_row
        extra.append(mixed[:, :count])
        video.append(mixed[:, count:])
    return torch.cat([*captions, *extra, *video], dim=1), None


def _chunks(pattern: RowPattern, stream: StreamRows) -> Iterator[tuple[int, int]]:
    """First row and the one behind the last of each chunk: whole blocks."""
    blocks = max(1, _QUERIES // (stream.tokens_per_row * pattern.block))
    size = blocks * pattern.block
    for start in range(0, stream.num_rows, size):
        yield start, min(start + size, stream.num_rows)


def _take(
    tokens: torch.Tensor, stream: StreamRows, start: int, stop: int, *, dim: int = 2, captions: bool = False
) -> torch.Tensor:
    """The tokens of some rows out of a stream, with the captions before them when asked for."""
    behind_extra = stream.caption_tokens + stream.num_rows * stream.extra_per_row
    parts = [
        (stream.caption_tokens + start * stream.extra_per_row, (stop - start) * stream.extra_per_row),
        (behind_extra + start * stream.tokens_per_row, (stop - start) * stream.tokens_per_row),
    ]
    if captions:
        parts.insert(0, (0, stream.caption_tokens))
    taken = [tokens.narrow(dim, at, count) for at, count in parts if count]
    return taken[0] if len(taken) == 1 else torch.cat(taken, dim=dim)


def _mask_within(
    pattern: RowPattern, stream: StreamRows, *, rows: tuple[int, int], keys: tuple[int, int], device: torch.device
) -> torch.Tensor:
    """The mask of a chunk whose rows differ in what they attend to, `(1, 1, queries, keys)`."""
    queries = StreamRows(0, stream.tokens_per_row, rows[1] - rows[0], stream.extra_per_row, rows[0])
    seen = StreamRows(
        stream.caption_tokens, stream.tokens_per_row, keys[1] - keys[0], stream.extra_per_row, keys[0]
    ).of_tokens(device=device)
    attends = pattern.mask_function(queries.of_tokens(device=device), seen)
    at = torch.arange(queries.count, device=device)[:, None]
    return attends(at, at, at, torch.arange(seen.shape[0], device=device)[None])[None, None]
