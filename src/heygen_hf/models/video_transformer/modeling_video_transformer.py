"""A video generation transformer with a timestep per frame.

Shape legend: batch B, frames F, channels C, height H, width W; a token grid T × h × w; caption tokens L; width D.
"""

from dataclasses import dataclass

import torch
from torch import nn
from transformers import PreTrainedModel
from transformers import initialization as init
from transformers.masking_utils import create_bidirectional_mask
from transformers.processing_utils import Unpack
from transformers.utils import ModelOutput, TransformersKwargs
from transformers.utils.generic import merge_with_config_defaults
from transformers.utils.output_capturing import capture_outputs

from heygen_hf.layers import (
    RMSNorm,
    StreamRows,
    audio_positions,
    caption_positions,
    grid_positions,
    masked_mean,
    modulate,
    patch_grid,
    patchify,
    rms_norm,
    rotary_embedding,
    spread_over_tokens,
    stream_mask,
    unpatchify,
)
from heygen_hf.models.video_transformer.configuration_video_transformer import VideoTransformerConfig
from heygen_hf.models.video_transformer.modeling_video_transformer_blocks import (
    VideoTransformerAttention,
    VideoTransformerBlock,
    VideoTransformerCrossAttention,
    start_at_zero,
)
from heygen_hf.models.video_transformer.modeling_video_transformer_cache import VideoTransformerCache
from heygen_hf.models.video_transformer.modeling_video_transformer_conditions import VideoTransformerConditions
from heygen_hf.models.video_transformer.modeling_video_transformer_mamba import (
    VideoTransformerMamba,
    init_scan,
    scan_order,
)
from heygen_hf.models.video_transformer.modeling_video_transformer_rows import VideoTransformerRows


@dataclass
class VideoTransformerOutput(ModelOutput):
    """Output of the denoiser.

    Attributes:
        sample: the prediction (sample, velocity or noise by `config.prediction_type`), `(B, F, C, H, W)`.
        hidden_states: per layer `(B, L + T*h*w, D)`, when asked for.
        attentions: per layer `(B, heads, tokens, tokens)`, when asked for with `attn_implementation="eager"`.
        cross_attentions: per layer `(B, heads, T*h*w, L)`, likewise, for `caption_conditioning="cross_attention"`.
        past_key_values: the cache, with `use_cache`.
    """

    sample: torch.FloatTensor | None = None
    hidden_states: tuple[torch.FloatTensor, ...] | None = None
    attentions: tuple[torch.FloatTensor, ...] | None = None
    cross_attentions: tuple[torch.FloatTensor, ...] | None = None
    past_key_values: VideoTransformerCache | None = None


class VideoTransformerPreTrainedModel(PreTrainedModel):
    config: VideoTransformerConfig
    config_class = VideoTransformerConfig
    base_model_prefix = "transformer"
    main_input_name = "sample"
    input_modalities = ("video", "text")
    supports_gradient_checkpointing = True
    _no_split_modules = ("VideoTransformerBlock",)
    _supports_sdpa = True
    _supports_flash_attn = True
    _supports_flex_attn = True
    _supports_attention_backend = True
    _can_record_outputs = {
        "hidden_states": VideoTransformerBlock,
        "attentions": VideoTransformerAttention,
        "cross_attentions": VideoTransformerCrossAttention,
    }

    @torch.no_grad()
    def _init_weights(self, module: nn.Module) -> None:
        """All initialisation, with the reason for each number (`scale` is `config.initializer_range`)."""
        super()._init_weights(module)
        scale = self.config.initializer_range
        if isinstance(module, nn.Linear):
            if getattr(module, "starts_at_zero", False):
                # The last projection of each residual branch: every block is the identity at the start, and its open
                # gate lets gradients through at once (DiT's adaLN-Zero has it the other way round). The modulation:
                # none at the start. The output: the first prediction is the mean.
                init.zeros_(module.weight)
            else:
                # A third of the variance that keeps activations at unit scale; independent of the width, so that one
                # learning rate serves every size.
                init.normal_(module.weight, std=scale * (3 * module.in_features) ** -0.5)
            if module.bias is not None:
                init.zeros_(module.bias)
        elif isinstance(module, nn.Embedding):
            # Tokens enter a stream of unit scale.
            init.normal_(module.weight, std=scale)
        elif isinstance(module, VideoTransformerMamba):
            init_scan(module)
        elif isinstance(module, RMSNorm):
            init.ones_(module.weight)
        elif isinstance(module, VideoTransformerBlock):
            init.copy_(module.modulation_offset, _open_gates(module.modulation_offset))
        elif isinstance(module, VideoTransformerModel):
            for null in (module.null_caption, module.null_audio):
                if null is not None:
                    init.normal_(null, std=scale)


def _open_gates(modulation_offset: torch.Tensor) -> torch.Tensor:
    """Shift, scale and gate of attention, then of the feed-forward: gates 1, the others 0."""
    offsets = torch.zeros(6, modulation_offset.numel() // 6, device=modulation_offset.device)
    offsets[2] = offsets[5] = 1.0
    return offsets.flatten().to(modulation_offset.dtype)


class VideoTransformerModel(VideoTransformerConditions, VideoTransformerRows, VideoTransformerPreTrainedModel):
    """The denoiser: a noisy clip, a timestep per frame and conditions in; a prediction shaped like the clip out.

    Pixels and latents alike are `(batch, frames, channels, height, width)` in about [-1, 1]. Timesteps run from 0
    (clean: the frame is given) to 1 (noise). Text-to-video gives all frames one timestep; image-to-video,
    continuation and interpolation put the known frames at 0.
    """

    def __init__(self, config: VideoTransformerConfig) -> None:
        super().__init__(config)
        width = config.hidden_size
        patch_frames, patch_height, patch_width = config.patch_size
        patch_values = patch_frames * patch_height * patch_width * config.num_channels
        self.patch_proj = nn.Linear(patch_values, width)
        self.caption_embedding = nn.Embedding(config.vocab_size, width) if config.vocab_size is not None else None
        self.caption_proj = (
            nn.Linear(config.caption_hidden_size, width) if config.caption_hidden_size is not None else None
        )
        self.null_caption = nn.Parameter(torch.empty(width)) if config.takes_captions else None
        self.pooled_caption = (
            nn.Sequential(nn.Linear(width, width), nn.SiLU(), nn.Linear(width, width))
            if config.takes_captions and config.pool_caption
            else None
        )
        # One class more than there are: the null class.
        self.class_embedding = nn.Embedding(config.num_class_labels + 1, width) if config.num_class_labels else None
        # A token row of the grid hears the frames that it stands for.
        row_frames = patch_frames * config.temporal_compression
        with_audio = config.audio_hidden_size is not None
        self.audio_proj = nn.Linear(row_frames * config.audio_hidden_size, width) if with_audio else None
        self.null_audio = nn.Parameter(torch.empty(width)) if with_audio else None
        self.audio_modulation = (
            nn.Sequential(nn.SiLU(), nn.Linear(width, width), nn.SiLU(), nn.Linear(width, width))
            if with_audio
            else None
        )
        # A token that spans several frames sees each frame's timestep in a slot of its own.
        self.timestep_embedding = nn.Sequential(
            nn.Linear(patch_frames * config.timestep_embedding_size, width), nn.SiLU(), nn.Linear(width, width)
        )
        # How far the interval of a mean velocity reaches; nothing at the start, as if it had no length.
        self.interval_embedding = (
            nn.Sequential(
                nn.Linear(patch_frames * config.timestep_embedding_size, width), nn.SiLU(), nn.Linear(width, width)
            )
            if config.takes_intervals
            else None
        )
        self.adaptive_norm = nn.Linear(width, 6 * width)
        self.layers = nn.ModuleList([VideoTransformerBlock(config, i) for i in range(config.num_hidden_layers)])
        self.output_adaptive_norm = nn.Linear(width, 2 * width)
        self.output_proj = nn.Linear(width, patch_values)
        start_at_zero(self.adaptive_norm, self.output_adaptive_norm, self.output_proj)
        if self.interval_embedding is not None:
            start_at_zero(self.interval_embedding[-1])
        self.gradient_checkpointing = False
        self.post_init()

    def get_input_embeddings(self) -> nn.Module | None:
        return self.caption_embedding

    def set_input_embeddings(self, value: nn.Module) -> None:
        self.caption_embedding = value

    @merge_with_config_defaults
    @capture_outputs(tie_last_hidden_states=False)
    def forward(
        self,
        sample: torch.Tensor,
        timestep: torch.Tensor,
        input_ids: torch.Tensor | None = None,
        attention_mask: torch.Tensor | None = None,
        encoder_hidden_states: torch.Tensor | None = None,
        class_ids: torch.Tensor | None = None,
        condition_dropout_mask: torch.Tensor | None = None,
        audio_features: torch.Tensor | None = None,
        end_timestep: torch.Tensor | None = None,
        past_key_values: VideoTransformerCache | None = None,
        use_cache: bool = False,
        **kwargs: Unpack[TransformersKwargs],
    ) -> VideoTransformerOutput:
        r"""
        Args:
            sample (`torch.Tensor` of shape `(batch, frames, channels, height, width)`):
                The noisy clip or latents; frames at timestep 0 are clean.
            timestep (`torch.Tensor` of shape `(batch,)`, `(batch, frames)` or `(batch, frames, rows, columns)`):
                In [0, 1], 0 clean and 1 noise: one per sample, per frame, or per frame and patch of the frame (then
                every token has its own modulation, which costs memory and time).
            input_ids (`torch.Tensor` of shape `(batch, tokens)`, *optional*):
                Caption tokens, for a model with `vocab_size`.
            attention_mask (`torch.Tensor` of shape `(batch, tokens)`, *optional*):
                1 for caption tokens, 0 for padding.
            encoder_hidden_states (`torch.Tensor` of shape `(batch, tokens, caption_hidden_size)`, *optional*):
                Caption features, for a model with `caption_hidden_size`.
            class_ids (`torch.Tensor` of shape `(batch,)`, *optional*):
                Classes in `[0, num_class_labels)`.
            condition_dropout_mask (`torch.Tensor` of shape `(batch,)` or `(batch, 3)`, *optional*):
                True where conditions are replaced by their null condition: all of them, or in the columns of
                `CONDITION_NAMES` caption, class and audio. Without any condition passed, all samples are unconditional.
            audio_features (`torch.Tensor` of shape `(batch, input frames, audio_hidden_size)`, *optional*):
                What is heard at each frame of the video, for a model with `audio_hidden_size`; of latents at each frame
                that they stand for.
            end_timestep (`torch.Tensor` shaped like `timestep`, *optional*):
                For a model of `objective="mean_flow"`: the prediction is of the mean velocity from `timestep` down to
                here; by default `timestep` itself.
            past_key_values (`VideoTransformerCache`, *optional*):
                Earlier rows of the video, for a model that is causal in time: `sample` then goes on behind them, and
                `input_ids` (or features) and `class_ids` are passed again as before, for the modulation.
            use_cache (`bool`, defaults to `False`):
                Append the rows passed (clean ones, at timestep 0) and the caption to the cache, which is returned.

        Raises:
            ValueError: sizes the patch does not divide, a wrong number of channels, a condition the model was not
                built for.
        """
        batch, frames, channels, height, width = sample.shape
        if channels != self.config.num_channels:
            raise ValueError(f"the clip has {channels} channels, the model {self.config.num_channels}.")
        grid = patch_grid(frames, height, width, self.config.patch_size)
        video_tokens = grid[0] * grid[1] * grid[2]
        cache = self._open_cache(past_key_values, use_cache, batch=batch)
        first_row = 0 if cache is None else cache.num_rows

        # 1. The clip and the caption as tokens of one width.
        hidden_states = self.patch_proj(patchify(sample, self.config.patch_size).to(self.patch_proj.weight.dtype))
        caption, caption_mask = self._embed_caption(
            batch, input_ids, attention_mask, encoder_hidden_states, condition_dropout_mask
        )

        audio = self._embed_audio(batch, frames, audio_features, condition_dropout_mask, goes_on=first_row > 0)

        # 2. One conditioning vector per group of tokens that share their frames, and one (timestep 0) for the prefix.
        timestep_slots = self._timestep_slots(timestep, frames, grid[1:], per_row=audio is not None)
        condition = self._embed_timesteps(
            timestep_slots, end_timestep, frames=frames, patches=grid[1:], per_row=audio is not None
        )
        if self.pooled_caption is not None:
            pooled = rms_norm(masked_mean(caption, caption_mask), eps=self.config.rms_norm_eps)
            condition = condition + self.pooled_caption(pooled)[:, None]
        condition = condition + self._embed_class(batch, class_ids, condition_dropout_mask, like=condition)
        if audio is not None:
            condition = condition + self._audio_modulation(audio, groups=timestep_slots.shape[1] - 1)
        condition = nn.functional.silu(condition)
        modulation = self.adaptive_norm(condition).to(hidden_states.dtype)

        # 3. One stream [caption, audio, video], or one without the caption, which cross-attention then reads.
        positions = grid_positions(*grid, device=sample.device)
        caption_tokens, audio_tokens = 0, 0
        stream_padding, cross_mask = None, None
        if audio is not None:
            audio_tokens = audio.shape[1]
            hidden_states = torch.cat((audio.to(hidden_states.dtype), hidden_states), dim=1)
            positions = torch.cat((audio_positions(audio_tokens, device=sample.device), positions))
        if first_row:
            positions = positions + positions.new_tensor([first_row, 0, 0])
        if caption is not None and self.config.caption_conditioning == "cross_attention":
            caption = caption.to(hidden_states.dtype)
            cross_mask = create_bidirectional_mask(
                self.config, hidden_states, caption_mask, caption, allow_is_bidirectional_skip=not self.training
            )
        elif caption is not None and not (cache is not None and cache.has_caption):
            caption_tokens = caption.shape[1]
            hidden_states = torch.cat((caption.to(hidden_states.dtype), hidden_states), dim=1)
            positions = torch.cat((caption_positions(caption_tokens, device=sample.device), positions))
            stream_padding = stream_mask(caption_mask, video_tokens=audio_tokens + video_tokens)
        prefix_tokens = caption_tokens + audio_tokens
        stream = StreamRows(
            caption_tokens,
            tokens_per_row=grid[1] * grid[2],
            num_rows=grid[0],
            extra_per_row=audio_tokens // grid[0],
            first_row=first_row,
        )
        if self.config.mixer == "mamba":
            attention = scan_order(stream, stream_padding, batch=batch, device=sample.device)
            # A scan knows the order of the tokens and not where they are.
            hidden_states = hidden_states + self._position_features(positions).to(hidden_states.dtype)
        else:
            attention = self._stream_mask(hidden_states, stream, stream_padding, cache)
        rotary = rotary_embedding(
            positions, self.config.hidden_size // self.config.num_attention_heads, theta=self.config.rope_theta
        )

        # 4. The blocks.
        tokens_per_group = video_tokens // (timestep_slots.shape[1] - 1)
        for layer in self.layers:
            hidden_states = layer(
                hidden_states,
                modulation,
                caption,
                attention,
                cross_mask,
                rotary,
                prefix_tokens,
                tokens_per_group,
                past_key_values=cache,
                use_cache=use_cache,
                **kwargs,
            )
        if use_cache:
            self._close_cache(cache, stream, stream_padding, batch=batch, device=sample.device)

        # 5. Video tokens back to a clip.
        shift, scale = spread_over_tokens(
            self.output_adaptive_norm(condition).to(hidden_states.dtype),
            prefix_tokens=0,
            tokens_per_group=tokens_per_group,
        ).chunk(2, dim=-1)
        normed = modulate(rms_norm(hidden_states[:, prefix_tokens:], eps=self.config.rms_norm_eps), shift, scale)
        return VideoTransformerOutput(
            sample=unpatchify(self.output_proj(normed), grid, self.config.patch_size),
            past_key_values=cache if use_cache else None,
        )


__all__ = ["VideoTransformerModel", "VideoTransformerOutput", "VideoTransformerPreTrainedModel"]
