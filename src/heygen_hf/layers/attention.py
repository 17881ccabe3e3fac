"""Attention functions for transformers' attention interface.

`eager_attention` is the readable reference (returns the maps). `matmul_attention` is the same product kept in the
input's dtype: on a CPU the fused SDPA backward is slow for short sequences, and three plain bfloat16 products are
faster. Register it under the name "matmul" with `register_attention_functions` (importing `heygen_hf.models` does so);
then `attn_implementation="matmul"` works on any transformers model.
"""

from typing import Any

import torch
from torch import nn
from transformers.masking_utils import AttentionMaskInterface, sdpa_mask
from transformers.modeling_utils import AttentionInterface

from heygen_hf.layers.chunked_attention import CHUNKED_ATTENTION, chunked_attention, chunked_mask

MATMUL_ATTENTION = "matmul"


def eager_attention(
    module: nn.Module,
    query: torch.Tensor,
    key: torch.Tensor,
    value: torch.Tensor,
    attention_mask: torch.Tensor | None,
    scaling: float,
    dropout: float = 0.0,
    **kwargs: object,  # noqa: ARG001 - the interface passes what other implementations need
) -> tuple[torch.Tensor, torch.Tensor]:
    """Softmax attention with float32 softmax.

    Args:
        query, key, value: `(batch, heads, tokens, head_dim)`; key and value may have fewer heads (grouped queries).
        attention_mask: additive, broadcastable to `(batch, heads, query tokens, key tokens)`, or None.

    Returns:
        The mixed values `(batch, tokens, heads, head_dim)` and the maps `(batch, heads, query tokens, key tokens)`.
    """
    key, value = _repeat_heads(query, key), _repeat_heads(query, value)
    scores = torch.matmul(query, key.transpose(-1, -2)) * scaling
    if attention_mask is not None:
        scores = scores + attention_mask
    weights = torch.softmax(scores, dim=-1, dtype=torch.float32).to(query.dtype)
    weights = nn.functional.dropout(weights, p=dropout, training=module.training)
    return torch.matmul(weights, value).transpose(1, 2).contiguous(), weights


def matmul_attention(
    module: nn.Module,
    query: torch.Tensor,
    key: torch.Tensor,
    value: torch.Tensor,
    attention_mask: torch.Tensor | None,
    scaling: float,
    dropout: float = 0.0,
    **kwargs: object,  # noqa: ARG001
) -> tuple[torch.Tensor, None]:
    """`eager_attention` without the maps, with a boolean mask (True = attend) and the scale folded into the query.

    Scaling the query touches `tokens * head_dim` values instead of `tokens * tokens` scores.
    """
    key, value = _repeat_heads(query, key), _repeat_heads(query, value)
    scores = torch.matmul(query * scaling, key.transpose(-1, -2))
    if attention_mask is not None:
        scores = scores.masked_fill(~attention_mask, torch.finfo(scores.dtype).min)
    weights = torch.softmax(scores, dim=-1)
    if dropout:
        weights = nn.functional.dropout(weights, p=dropout, training=module.training)
    return torch.matmul(weights, value).transpose(1, 2), None


def _repeat_heads(query: torch.Tensor, grouped: torch.Tensor) -> torch.Tensor:
    groups = query.shape[1] // grouped.shape[1]
    return grouped if groups == 1 else grouped.repeat_interleave(groups, dim=1)


def matmul_mask(*args: Any, **kwargs: Any) -> torch.Tensor | None:
    """SDPA's boolean mask, never left out for a causal model: this attention knows no causality but the mask's."""
    return sdpa_mask(*args, **{**kwargs, "allow_is_causal_skip": False})


def register_attention_functions() -> None:
    """Make `attn_implementation="matmul"` and `"chunked"` known to transformers, with their masks."""
    AttentionInterface.register(MATMUL_ATTENTION, matmul_attention)
    AttentionMaskInterface.register(MATMUL_ATTENTION, matmul_mask)
    AttentionInterface.register(CHUNKED_ATTENTION, chunked_attention)
    AttentionMaskInterface.register(CHUNKED_ATTENTION, chunked_mask)
