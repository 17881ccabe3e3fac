"""A video generation transformer with a timestep per frame.

Shape legend: batch B, frames F, channels C, height H, width W; a token grid T × h × w; caption tokens L; width D.
"""

from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import nn
from transformers import PreTrainedModel
from transformers import initialization as init
from transformers.masking_utils import create_bidirectional_mask
from transformers.modeling_layers import GradientCheckpointingLayer
from transformers.modeling_utils import ALL_ATTENTION_FUNCTIONS
from transformers.processing_utils import Unpack
from transformers.utils import ModelOutput, TransformersKwargs
from transformers.utils.generic import can_return_tuple, merge_with_config_defaults
from transformers.utils.output_capturing import capture_outputs

from heygen_hf.layers import (
    FeedForward,
    GatedFeedForward,
    RMSNorm,
    apply_rotary,
    caption_positions,
    eager_attention,
    grid_positions,
    masked_mean,
    modulate,
    patch_grid,
    patchify,
    register_attention_functions,
    rms_norm,
    rotary_embedding,
    spread_over_tokens,
    stream_mask,
    timestep_features,
    unpatchify,
)
from heygen_hf.losses import DenoisingObjective
from heygen_hf.models.video_transformer.configuration_video_transformer import VideoTransformerConfig
from heygen_hf.models.video_transformer.objective_video_transformer import build_objective

register_attention_functions()


@dataclass
class VideoTransformerOutput(ModelOutput):
    """Output of the denoiser.

    Attributes:
        sample: the prediction (sample, velocity or noise by `config.prediction_type`), `(B, F, C, H, W)`.
        hidden_states: per layer `(B, L + T*h*w, D)`, when asked for.
        attentions: per layer `(B, heads, tokens, tokens)`, when asked for with `attn_implementation="eager"`.
        cross_attentions: per layer `(B, heads, T*h*w, L)`, likewise, for `caption_conditioning="cross_attention"`.
    """

    sample: torch.FloatTensor | None = None
    hidden_states: tuple[torch.FloatTensor, ...] | None = None
    attentions: tuple[torch.FloatTensor, ...] | None = None
    cross_attentions: tuple[torch.FloatTensor, ...] | None = None


@dataclass
class VideoGenerationOutput(ModelOutput):
    """Output of a training forward pass.

    Attributes:
        loss: scalar.
        loss_per_sample: `(B,)`.
        prediction: what the denoiser predicted, `(B, F, C, H, W)`; left out in training, where nobody reads it.
    """

    loss: torch.FloatTensor | None = None
    loss_per_sample: torch.FloatTensor | None = None
    prediction: torch.FloatTensor | None = None
    hidden_states: tuple[torch.FloatTensor, ...] | None = None
    attentions: tuple[torch.FloatTensor, ...] | None = None
    cross_attentions: tuple[torch.FloatTensor, ...] | None = None


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

    def forward(
        self,
        hidden_states: torch.Tensor,
        attention_mask: torch.Tensor | None,
        rotary: tuple[torch.Tensor, torch.Tensor],
        **kwargs: Unpack[TransformersKwargs],
    ) -> tuple[torch.Tensor, torch.Tensor | None]:
        query = apply_rotary(self.heads(self.q_proj(hidden_states), self.q_norm), *rotary)
        key = apply_rotary(self.heads(self.k_proj(hidden_states), self.k_norm), *rotary)
        value = self.heads(self.v_proj(hidden_states))
        return self.mix(query, key, value, attention_mask, **kwargs)


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
    """Modulated attention, optional cross-attention, modulated feed-forward."""

    def __init__(self, config: VideoTransformerConfig) -> None:
        super().__init__()
        self.eps = config.rms_norm_eps
        self.attention = VideoTransformerAttention(config)
        self.cross_attention = (
            VideoTransformerCrossAttention(config) if config.caption_conditioning == "cross_attention" else None
        )
        layer = GatedFeedForward if config.feed_forward == "gated" else FeedForward
        self.feed_forward = layer(config.hidden_size, config.intermediate_size, activation=config.hidden_act)
        _start_at_zero(self.attention.o_proj, self.feed_forward.down_proj)
        if self.cross_attention is not None:
            _start_at_zero(self.cross_attention.o_proj)
        self.modulation_offset = nn.Parameter(torch.empty(6 * config.hidden_size))
        self.dropout = nn.Dropout(config.hidden_dropout)

    def forward(
        self,
        hidden_states: torch.Tensor,
        modulation: torch.Tensor,
        caption: torch.Tensor | None,
        attention_mask: torch.Tensor | None,
        caption_mask: torch.Tensor | None,
        rotary: tuple[torch.Tensor, torch.Tensor],
        prefix_tokens: int,
        tokens_per_group: int,
        **kwargs: Unpack[TransformersKwargs],
    ) -> torch.Tensor:
        # 1. What the timesteps, the pooled caption and the class say to each token of this block.
        offset = self.modulation_offset.to(modulation.dtype)
        shift_a, scale_a, gate_a, shift_f, scale_f, gate_f = spread_over_tokens(
            modulation + offset, prefix_tokens=prefix_tokens, tokens_per_group=tokens_per_group
        ).chunk(6, dim=-1)

        # 2. Every token attends to the whole stream.
        attended, _ = self.attention(
            modulate(rms_norm(hidden_states, eps=self.eps), shift_a, scale_a), attention_mask, rotary, **kwargs
        )
        hidden_states = hidden_states + gate_a * self.dropout(attended)

        # 3. Video tokens read the caption, when it is not in the stream.
        if self.cross_attention is not None and caption is not None:
            read, _ = self.cross_attention(rms_norm(hidden_states, eps=self.eps), caption, caption_mask, **kwargs)
            hidden_states = hidden_states + self.dropout(read)

        # 4. Each token on its own.
        fed = self.feed_forward(modulate(rms_norm(hidden_states, eps=self.eps), shift_f, scale_f))
        return hidden_states + gate_f * self.dropout(fed)


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
        elif isinstance(module, RMSNorm):
            init.ones_(module.weight)
        elif isinstance(module, VideoTransformerBlock):
            init.copy_(module.modulation_offset, _open_gates(module.modulation_offset))
        elif isinstance(module, VideoTransformerModel) and module.null_caption is not None:
            init.normal_(module.null_caption, std=scale)


def _open_gates(modulation_offset: torch.Tensor) -> torch.Tensor:
    """Shift, scale and gate of attention, then of the feed-forward: gates 1, the others 0."""
    offsets = torch.zeros(6, modulation_offset.numel() // 6, device=modulation_offset.device)
    offsets[2] = offsets[5] = 1.0
    return offsets.flatten().to(modulation_offset.dtype)


def _start_at_zero(*projections: nn.Linear) -> None:
    """Mark layers for `_init_weights`, which sees them one by one and may see only those a checkpoint lacks."""
    for projection in projections:
        projection.starts_at_zero = True


class VideoTransformerModel(VideoTransformerPreTrainedModel):
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
        # A token that spans several frames sees each frame's timestep in a slot of its own.
        self.timestep_embedding = nn.Sequential(
            nn.Linear(patch_frames * config.timestep_embedding_size, width), nn.SiLU(), nn.Linear(width, width)
        )
        self.adaptive_norm = nn.Linear(width, 6 * width)
        self.layers = nn.ModuleList([VideoTransformerBlock(config) for _ in range(config.num_hidden_layers)])
        self.output_adaptive_norm = nn.Linear(width, 2 * width)
        self.output_proj = nn.Linear(width, patch_values)
        _start_at_zero(self.adaptive_norm, self.output_adaptive_norm, self.output_proj)
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
            condition_dropout_mask (`torch.Tensor` of shape `(batch,)`, *optional*):
                True where caption and class are replaced by the null condition. Without any condition passed,
                all samples are unconditional.

        Raises:
            ValueError: sizes the patch does not divide, a wrong number of channels, a condition the model was not
                built for.
        """
        batch, frames, channels, height, width = sample.shape
        if channels != self.config.num_channels:
            raise ValueError(f"the clip has {channels} channels, the model {self.config.num_channels}.")
        grid = patch_grid(frames, height, width, self.config.patch_size)
        video_tokens = grid[0] * grid[1] * grid[2]

        # 1. The clip and the caption as tokens of one width.
        hidden_states = self.patch_proj(patchify(sample, self.config.patch_size).to(self.patch_proj.weight.dtype))
        caption, caption_mask = self._embed_caption(
            batch, input_ids, attention_mask, encoder_hidden_states, condition_dropout_mask
        )

        # 2. One conditioning vector per group of tokens that share their frames, and one (timestep 0) for the caption.
        timestep_slots = self._timestep_slots(timestep, frames, grid[1:])
        condition = self.timestep_embedding(
            timestep_features(timestep_slots, self.config.timestep_embedding_size)
            .flatten(-2)
            .to(self.patch_proj.weight.dtype)
        )
        if self.pooled_caption is not None:
            pooled = rms_norm(masked_mean(caption, caption_mask), eps=self.config.rms_norm_eps)
            condition = condition + self.pooled_caption(pooled)[:, None]
        condition = condition + self._embed_class(batch, class_ids, condition_dropout_mask, like=condition)
        condition = nn.functional.silu(condition)
        modulation = self.adaptive_norm(condition).to(hidden_states.dtype)

        # 3. One stream, or the video's alone beside a caption read by cross-attention.
        positions = grid_positions(*grid, device=sample.device)
        prefix_tokens = 0
        stream_padding, cross_mask = None, None
        if caption is not None and self.config.caption_conditioning == "tokens":
            prefix_tokens = caption.shape[1]
            hidden_states = torch.cat((caption.to(hidden_states.dtype), hidden_states), dim=1)
            positions = torch.cat((caption_positions(prefix_tokens, device=sample.device), positions))
            stream_padding = stream_mask(caption_mask, video_tokens=video_tokens)
        elif caption is not None:
            caption = caption.to(hidden_states.dtype)
            cross_mask = create_bidirectional_mask(
                self.config, hidden_states, caption_mask, caption, allow_is_bidirectional_skip=not self.training
            )
        # In training a batch without padding or dropped captions keeps its mask: skipping it now and then would
        # compile the blocks a second time.
        attention = create_bidirectional_mask(
            self.config, hidden_states, stream_padding, allow_is_bidirectional_skip=not self.training
        )
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
                **kwargs,
            )

        # 5. Video tokens back to a clip.
        shift, scale = spread_over_tokens(
            self.output_adaptive_norm(condition).to(hidden_states.dtype),
            prefix_tokens=0,
            tokens_per_group=tokens_per_group,
        ).chunk(2, dim=-1)
        normed = modulate(rms_norm(hidden_states[:, prefix_tokens:], eps=self.config.rms_norm_eps), shift, scale)
        return VideoTransformerOutput(sample=unpatchify(self.output_proj(normed), grid, self.config.patch_size))

    def _embed_caption(
        self,
        batch: int,
        input_ids: torch.Tensor | None,
        attention_mask: torch.Tensor | None,
        encoder_hidden_states: torch.Tensor | None,
        condition_dropout_mask: torch.Tensor | None,
    ) -> tuple[torch.Tensor | None, torch.Tensor | None]:
        """Caption tokens `(B, L, D)` and their mask `(B, L)`; a dropped caption is one null token."""
        if input_ids is not None and self.caption_embedding is None:
            raise ValueError("input_ids were passed to a model without vocab_size; it cannot read captions as ids.")
        if encoder_hidden_states is not None and self.caption_proj is None:
            raise ValueError("encoder_hidden_states were passed to a model without caption_hidden_size.")
        if self.null_caption is None:
            return None, None
        if input_ids is not None:
            caption = self.caption_embedding(input_ids)
            if attention_mask is None and self.config.pad_token_id is not None:
                attention_mask = input_ids != self.config.pad_token_id
        elif encoder_hidden_states is not None:
            caption = self.caption_proj(encoder_hidden_states)
        else:
            return self.null_caption.expand(batch, 1, -1), None
        if caption.shape[0] != batch:
            raise ValueError(f"{caption.shape[0]} captions were passed for {batch} clips.")
        mask = None if attention_mask is None else attention_mask.bool()
        if condition_dropout_mask is None:
            return caption, mask
        # Only the first null token may be attended, so that a dropped caption says nothing about its length.
        dropped = condition_dropout_mask.bool()[:, None]
        first_only = torch.arange(caption.shape[1], device=caption.device)[None] == 0
        mask = torch.ones(caption.shape[:2], dtype=torch.bool, device=caption.device) if mask is None else mask
        caption = torch.where(dropped[..., None], self.null_caption.to(caption.dtype), caption)
        return caption, torch.where(dropped, first_only, mask)

    def _embed_class(
        self,
        batch: int,
        class_ids: torch.Tensor | None,
        condition_dropout_mask: torch.Tensor | None,
        *,
        like: torch.Tensor,
    ) -> torch.Tensor:
        """The class's contribution to the conditioning vector, `(B, 1, D)`."""
        if self.class_embedding is None:
            if class_ids is not None:
                raise ValueError("class_ids were passed to a model with num_class_labels=0.")
            return like.new_zeros(())
        null_class = self.config.num_class_labels
        if class_ids is None:
            class_ids = torch.full((batch,), null_class, device=like.device)
        elif condition_dropout_mask is not None:
            class_ids = torch.where(condition_dropout_mask.bool(), null_class, class_ids)
        return self.class_embedding(class_ids)[:, None]

    def _timestep_slots(self, timestep: torch.Tensor, frames: int, patches: tuple[int, int]) -> torch.Tensor:
        """`(B, 1 + groups, patch frames)`: the caption's zeros, then each group's timesteps, one per frame it spans.

        One timestep per sample is one group; one per frame makes a group of every token row of the grid's time axis;
        one per frame and patch makes a group of every token.
        """
        patch_frames = self.config.patch_size[0]
        if timestep.ndim == 1:
            video = timestep[:, None, None].expand(-1, 1, patch_frames)
        elif timestep.ndim == 2 and timestep.shape[1] == frames:
            video = timestep.reshape(timestep.shape[0], frames // patch_frames, patch_frames)
        elif timestep.ndim == 4 and timestep.shape[1:] == (frames, *patches):
            video = timestep.unflatten(1, (-1, patch_frames)).permute(0, 1, 3, 4, 2).flatten(1, 3)
        else:
            raise ValueError(
                f"timestep has shape {tuple(timestep.shape)}; expected (batch,) or (batch, {frames}), or "
                f"(batch, {frames}, {patches[0]}, {patches[1]}) for this clip."
            )
        return torch.cat((torch.zeros_like(video[:, :1]), video), dim=1)


class VideoTransformerForVideoGeneration(VideoTransformerPreTrainedModel):
    """The denoiser with its training objective: a clean clip and its caption in, a loss out.

    A plain `transformers.Trainer` can train it. `forward` draws timesteps and noise itself in training, from torch's
    global generator; in evaluation mode they are the same at every call unless given.
    """

    main_input_name = "pixel_values"
    # The loss is a mean over samples: Trainer must divide it by the number of accumulation steps itself.
    accepts_loss_kwargs = False

    def __init__(self, config: VideoTransformerConfig) -> None:
        super().__init__(config)
        self.transformer = VideoTransformerModel(config)
        self.post_init()

    @property
    def objective(self) -> DenoisingObjective:
        """What the model is trained to do, as the configuration says."""
        return build_objective(self.config)

    @can_return_tuple
    def forward(
        self,
        pixel_values: torch.Tensor,
        input_ids: torch.Tensor | None = None,
        attention_mask: torch.Tensor | None = None,
        encoder_hidden_states: torch.Tensor | None = None,
        class_ids: torch.Tensor | None = None,
        timestep: torch.Tensor | None = None,
        noise: torch.Tensor | None = None,
        condition_dropout_mask: torch.Tensor | None = None,
        return_loss: bool = True,  # noqa: ARG002 - tells Trainer that evaluation has a loss without labels
        **kwargs: Unpack[TransformersKwargs],
    ) -> VideoGenerationOutput:
        r"""
        Args:
            pixel_values (`torch.Tensor` of shape `(batch, frames, channels, height, width)`):
                Clean clips or latents in about [-1, 1].
            timestep (`torch.Tensor` shaped as in [`VideoTransformerModel`], *optional*):
                Drawn by the objective when not given. Frames (or patches) at 0 are given to the model, and the
                loss skips them.
            noise (`torch.Tensor`, *optional*):
                Standard normal, shaped like `pixel_values`.
            condition_dropout_mask (`torch.Tensor` of shape `(batch,)`, *optional*):
                True where the conditions are dropped; drawn with `config.condition_dropout` in training.

            The other arguments are those of [`VideoTransformerModel`].
        """
        timestep, noise, condition_dropout_mask = self._draw(pixel_values, timestep, noise, condition_dropout_mask)
        records: dict[str, object] = {}

        def denoise(noisy: torch.Tensor, at: torch.Tensor) -> torch.Tensor:
            output = self.transformer(
                noisy,
                at,
                input_ids=input_ids,
                attention_mask=attention_mask,
                encoder_hidden_states=encoder_hidden_states,
                class_ids=class_ids,
                condition_dropout_mask=condition_dropout_mask,
                **kwargs,
            )
            records.update({name: output.get(name) for name in ("hidden_states", "attentions", "cross_attentions")})
            return output.sample

        result = self.objective(denoise, sample=pixel_values, noise=noise, timestep=timestep)
        return VideoGenerationOutput(
            loss=result.loss,
            loss_per_sample=result.loss_per_sample,
            prediction=None if self.training else result.prediction,
            **records,
        )

    def _draw(
        self,
        pixel_values: torch.Tensor,
        timestep: torch.Tensor | None,
        noise: torch.Tensor | None,
        condition_dropout_mask: torch.Tensor | None,
    ) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor | None]:
        """Whatever was not given: random in training, fixed in evaluation."""
        batch, device = pixel_values.shape[0], pixel_values.device
        if timestep is None:
            timestep = self.objective.draw_timesteps(batch, generator=self._fixed_in_evaluation(0)).to(device)
        if noise is None:
            noise = torch.randn(pixel_values.shape, generator=self._fixed_in_evaluation(1)).to(pixel_values)
        if condition_dropout_mask is None and self.training and self.config.condition_dropout:
            condition_dropout_mask = torch.rand(batch, device=device) < self.config.condition_dropout
        return timestep, noise, condition_dropout_mask

    def _fixed_in_evaluation(self, seed: int) -> torch.Generator | None:
        return None if self.training else torch.Generator().manual_seed(seed)


__all__ = [
    "VideoGenerationOutput",
    "VideoTransformerForVideoGeneration",
    "VideoTransformerModel",
    "VideoTransformerOutput",
    "VideoTransformerPreTrainedModel",
]
