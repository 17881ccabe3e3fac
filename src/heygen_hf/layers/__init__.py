"""Plain torch mechanisms with explicit arguments; each has one right answer and one reference test."""

from heygen_hf.layers.attention import (
    MATMUL_ATTENTION,
    eager_attention,
    matmul_attention,
    register_attention_functions,
)
from heygen_hf.layers.chunked_attention import CHUNKED_ATTENTION, chunked_attention
from heygen_hf.layers.feed_forward import FeedForward, GatedFeedForward
from heygen_hf.layers.masks import masked_mean, stream_mask
from heygen_hf.layers.modulation import modulate, spread_over_tokens
from heygen_hf.layers.norms import RMSNorm, rms_norm
from heygen_hf.layers.patches import PatchSize, patch_grid, patchify, unpatchify
from heygen_hf.layers.rotary import (
    apply_rotary,
    audio_positions,
    caption_positions,
    grid_positions,
    rotary_embedding,
    split_rotary_bands,
)
from heygen_hf.layers.row_patterns import CAPTION_ROW, RowPattern, StreamRows, row_pattern_mask
from heygen_hf.layers.timestep_embedding import timestep_features

__all__ = [
    "CAPTION_ROW",
    "CHUNKED_ATTENTION",
    "MATMUL_ATTENTION",
    "FeedForward",
    "GatedFeedForward",
    "PatchSize",
    "RMSNorm",
    "RowPattern",
    "StreamRows",
    "apply_rotary",
    "audio_positions",
    "caption_positions",
    "chunked_attention",
    "eager_attention",
    "grid_positions",
    "masked_mean",
    "matmul_attention",
    "modulate",
    "patch_grid",
    "patchify",
    "register_attention_functions",
    "rms_norm",
    "rotary_embedding",
    "row_pattern_mask",
    "split_rotary_bands",
    "spread_over_tokens",
    "stream_mask",
    "timestep_features",
    "unpatchify",
]
