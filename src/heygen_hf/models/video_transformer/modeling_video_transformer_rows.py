"""What rows of the token grid's time axis attend to in the video transformer, and those that are cached.

Shape legend: batch B, caption tokens L, a token grid T × h × w, width D.
"""

from typing import Any

import torch
from transformers.masking_utils import create_bidirectional_mask

from heygen_hf.layers import RowPattern, StreamRows, rotary_embedding, row_pattern_mask
from heygen_hf.models.video_transformer.modeling_video_transformer_cache import VideoTransformerCache


class VideoTransformerRows:
    """Mixed into `VideoTransformerModel`: the configuration's attention pattern and the cache of earlier rows."""

    @property
    def row_pattern(self) -> RowPattern | None:
        """The rule between rows, or None where everything attends to everything."""
        config = self.config
        if config.attention_pattern == "full":
            return None
        if config.attention_pattern == "windowed":
            return RowPattern("windowed", window=config.attention_window)
        return RowPattern("causal", block=config.attention_block or 1, window=config.attention_window)

    def _position_features(self, positions: torch.Tensor) -> torch.Tensor:
        """Positions `(tokens, 3)` as cosines and sines of unit scale, `(tokens, D)`."""
        cosine, sine = rotary_embedding(positions, self.config.hidden_size, theta=self.config.rope_theta)
        return torch.cat((cosine, sine), dim=-1)

    def _open_cache(
        self, past_key_values: VideoTransformerCache | None, use_cache: bool, *, batch: int
    ) -> VideoTransformerCache | None:
        """The cache of this pass, made where it is asked for and none was given.

        Raises:
            ValueError: a model whose earlier rows depend on later ones, or a cache that does not fit the pass.
        """
        if past_key_values is None and not use_cache:
            return None
        config = self.config
        if not config.can_cache_rows:
            raise ValueError(
                f"attention_pattern={config.attention_pattern!r} with mixer={config.mixer!r} cannot cache rows: "
                'use_cache and past_key_values need "causal" or "block_causal" attention.'
            )
        if self.training and self.gradient_checkpointing:
            raise ValueError("past_key_values cannot be used with gradient checkpointing in training; call eval().")
        if past_key_values is None:
            return VideoTransformerCache()
        if not isinstance(past_key_values, VideoTransformerCache):
            raise ValueError(
                f"past_key_values is a {type(past_key_values).__name__}; expected a VideoTransformerCache, which "
                "use_cache=True returns."
            )
        if past_key_values.batch not in (None, batch):
            raise ValueError(
                f"past_key_values holds {past_key_values.batch} samples and {batch} are passed; they must agree."
            )
        if past_key_values.num_rows % (config.attention_block or 1):
            raise ValueError(
                f"past_key_values ends within a block: {past_key_values.num_rows} rows and attention_block="
                f"{config.attention_block}. Rows of one block attend to each other, so pass whole blocks."
            )
        return past_key_values

    def _stream_mask(
        self,
        hidden_states: torch.Tensor,
        stream: StreamRows,
        padding: torch.Tensor | None,
        cache: VideoTransformerCache | None,
    ) -> Any:
        """What the stream's tokens attend to, for the attention implementation in use.

        Args:
            hidden_states: `(B, tokens, D)`.
            padding: bool `(B, tokens)` or None.
        """
        pattern = self.row_pattern
        if pattern is None:
            # In training a batch without padding or dropped captions keeps its mask: skipping it now and then would
            # compile the blocks a second time.
            return create_bidirectional_mask(
                self.config, hidden_states, padding, allow_is_bidirectional_skip=not self.training
            )
        batch, tokens = hidden_states.shape[:2]
        cached_rows = None
        if cache is not None:
            padding = cache.join_padding(padding, batch=batch, tokens=tokens)
            cached_rows = cache.token_rows
        one_block = not stream.caption_tokens and stream.num_rows <= pattern.block
        if cached_rows is not None and padding is None and one_block:
            # One block and its past, of which the cache keeps no row too many: all of it is seen.
            return None
        return row_pattern_mask(
            pattern,
            stream,
            attn_implementation=self.config._attn_implementation,
            batch=batch,
            dtype=hidden_states.dtype,
            device=hidden_states.device,
            padding=padding,
            cached_rows=cached_rows,
        )

    def _close_cache(
        self,
        cache: VideoTransformerCache,
        stream: StreamRows,
        padding: torch.Tensor | None,
        *,
        batch: int,
        device: torch.device,
    ) -> None:
        """Note what a pass stored, and forget the rows that no later one attends to."""
        rows = stream.of_tokens(device=device)
        padding = cache.join_padding(padding, batch=batch, tokens=rows.shape[0])
        cache.note(rows, padding, batch=batch, num_rows=stream.num_rows, has_caption=stream.caption_tokens > 0)
        if self.config.attention_window is not None:
            cache.drop_rows_before(cache.num_rows - self.config.attention_window)
