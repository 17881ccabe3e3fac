"""Attention and blocks of the video transformer.

Shape legend: batch B, caption tokens L, a token grid T × h × w, width D.
"""

from collections.abc import Callable

import torch
from torch import nn
from transformers.modeling_layers import GradientCheckpointingLayer
from transformers.modeling_utils import ALL_ATTENTION_FUNCTIONS
from transformers.processing_utils import Unpack
from transformers.utils import TransformersKwargs

from heygen_hf.layers import (
    FeedForward,
    GatedFeedForward,
    RMSNorm,
    apply_rotary,
    eager_attention,
    modulate,
    register_attention_functions,
    rms_norm,
    spread_over_tokens,
)
from heygen_hf.models.video_transformer.configuration_video_transformer import VideoTransformerConfig
from heygen_hf.models.video_transformer.modeling_video_transformer_cache import VideoTransformerCache
from heygen_hf.models.video_transformer.modeling_video_transformer_mamba import ScanOrder, VideoTransformerMamba

register_attention_functions()


class _AttentionHeads(nn.Module):
    """Projections to heads and back, queries and keys RMS-normed; what both attentions of a block are made of."""

    def __init__(self, config: VideoTransformerConfig) -> None:
        super().__init__()
        self.config = config
        self.head_dim = config.hidden_size // config.num_attention_heads
        self.scaling = self.head_dim**-0.5
        self.attention_dropout = config.attention_dropout
        self.is_causal = False
        self.q_proj = nn.Linear(config.hidden_size, config.hidden_size, bias=False)
        self.k_proj = nn.Linear(config.hidden_size, config.hidden_size, bias=False)
        self.v_proj = nn.Linear(config.hidden_size, config.hidden_size, bias=False)
        self.o_proj = nn.Linear(config.hidden_size, config.hidden_size, bias=False)
        self.q_norm = RMSNorm(self.head_dim, eps=config.rms_norm_eps)
        self.k_norm = RMSNorm(self.head_dim, eps=config.rms_norm_eps)

    def heads(self, projected: torch.Tensor, norm: RMSNorm | None = None) -> torch.Tensor:
        """`(B, tokens, D)` → `(B, heads, tokens, head_dim)`, normed per head."""
        split = projected.view(*projected.shape[:-1], -1, self.head_dim)
        return (split if norm is None else norm(split)).transpose(1, 2)

    def mix(
        self,
        query: torch.Tensor,
        key: torch.Tensor,
        value: torch.Tensor,
        mask: torch.Tensor | None,
        **kwargs: Unpack[TransformersKwargs],
    ) -> tuple[torch.Tensor, torch.Tensor | None]:
        """Attention by the configured implementation: `(B, tokens, D)` and, from the eager one, the maps."""
        attend: Callable = ALL_ATTENTION_FUNCTIONS.get_interface(self.config._attn_implementation, eager_attention)
        dropout = self.attention_dropout if self.training else 0.0
        mixed, weights = attend(self, query, key, value, mask, dropout=dropout, scaling=self.scaling, **kwargs)
        return self.o_proj(mixed.reshape(*mixed.shape[:2], -1)), weights


class VideoTransformerAttention(_AttentionHeads):
    """Self-attention with rotary positions."""

    def __init__(self, config: VideoTransformerConfig, layer_idx: int = 0) -> None:
        super().__init__(config)
        self.layer_idx = layer_idx

    def forward(
        self,
        hidden_states: torch.Tensor,
        attention_mask: torch.Tensor | None,
        rotary: tuple[torch.Tensor, torch.Tensor],
        past_key_values: VideoTransformerCache | None = None,
        use_cache: bool = False,
        **kwargs: Unpack[TransformersKwargs],
    ) -> tuple[torch.Tensor, torch.Tensor | None]:
        query = apply_rotary(self.heads(self.q_proj(hidden_states), self.q_norm), *rotary)
        key = apply_rotary(self.heads(self.k_proj(hidden_states), self.k_norm), *rotary)
        value = self.heads(self.v_proj(hidden_states))
        if past_key_values is not None:
            key, value = self._behind_cached(key, value, past_key_values, use_cache)
        return self.mix(query, key, value, attention_mask, **kwargs)

    # Compiled, the layer's number and what the cache holds would be constants: every layer its own compilation.
    @torch.compiler.disable
    def _behind_cached(
        self, key: torch.Tensor, value: torch.Tensor, cache: VideoTransformerCache, store: bool
    ) -> tuple[torch.Tensor, torch.Tensor]:
        return cache.extend(key, value, self.layer_idx, store=store)


class VideoTransformerCrossAttention(_AttentionHeads):
    """Attention from video tokens to caption tokens, without positions."""

    def forward(
        self,
        hidden_states: torch.Tensor,
        caption: torch.Tensor,
        caption_mask: torch.Tensor | None,
        **kwargs: Unpack[TransformersKwargs],
    ) -> tuple[torch.Tensor, torch.Tensor | None]:
        query = self.heads(self.q_proj(hidden_states), self.q_norm)
        key = self.heads(self.k_proj(caption), self.k_norm)
        value = self.heads(self.v_proj(caption))
        return self.mix(query, key, value, caption_mask, **kwargs)


class VideoTransformerBlock(GradientCheckpointingLayer):
    """Modulated attention (or scan), optional cross-attention, modulated feed-forward."""

    def __init__(self, config: VideoTransformerConfig, layer_idx: int = 0) -> None:
        super().__init__()
        self.eps = config.rms_norm_eps
        scans = config.mixer == "mamba"
        self.attention = None if scans else VideoTransformerAttention(config, layer_idx)
        self.mamba = VideoTransformerMamba(config, layer_idx) if scans else None
        self.cross_attention = (
            VideoTransformerCrossAttention(config) if config.caption_conditioning == "cross_attention" else None
        )
        layer = GatedFeedForward if config.feed_forward == "gated" else FeedForward
        self.feed_forward = layer(config.hidden_size, config.intermediate_size, activation=config.hidden_act)
        start_at_zero(self.mamba.out_proj if scans else self.attention.o_proj, self.feed_forward.down_proj)
        if self.cross_attention is not None:
            start_at_zero(self.cross_attention.o_proj)
        self.modulation_offset = nn.Parameter(torch.empty(6 * config.hidden_size))
        self.dropout = nn.Dropout(config.hidden_dropout)

    def forward(
        self,
        hidden_states: torch.Tensor,
        modulation: torch.Tensor,
        caption: torch.Tensor | None,
        attention_mask: torch.Tensor | ScanOrder | None,
        caption_mask: torch.Tensor | None,
        rotary: tuple[torch.Tensor, torch.Tensor],
        prefix_tokens: int,
        tokens_per_group: int,
        past_key_values: VideoTransformerCache | None = None,
        use_cache: bool = False,
        **kwargs: Unpack[TransformersKwargs],
    ) -> torch.Tensor:
        # 1. What the timesteps, the pooled caption and the class say to each token of this block.
        offset = self.modulation_offset.to(modulation.dtype)
        shift_a, scale_a, gate_a, shift_f, scale_f, gate_f = spread_over_tokens(
            modulation + offset, prefix_tokens=prefix_tokens, tokens_per_group=tokens_per_group
        ).chunk(6, dim=-1)

        # 2. Every token attends to the whole stream, or to what the pattern lets it see.
        normed = modulate(rms_norm(hidden_states, eps=self.eps), shift_a, scale_a)
        if self.mamba is not None:
            attended = self.mamba(normed, attention_mask)
        else:
            attended, _ = self.attention(
                normed, attention_mask, rotary, past_key_values=past_key_values, use_cache=use_cache, **kwargs
            )
        hidden_states = hidden_states + gate_a * self.dropout(attended)

        # 3. Video tokens read the caption, when it is not in the stream.
        if self.cross_attention is not None and caption is not None:
            read, _ = self.cross_attention(rms_norm(hidden_states, eps=self.eps), caption, caption_mask, **kwargs)
            hidden_states = hidden_states + self.dropout(read)

        # 4. Each token on its own.
        fed = self.feed_forward(modulate(rms_norm(hidden_states, eps=self.eps), shift_f, scale_f))
        return hidden_states + gate_f * self.dropout(fed)


def start_at_zero(*projections: nn.Linear) -> None:
    """Mark layers for `_init_weights`, which sees them one by one and may see only those a checkpoint lacks."""
    for projection in projections:
        projection.starts_at_zero = True
