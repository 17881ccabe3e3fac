"""Text, video and audio, each read by any encoder, fused early, late or through bottleneck tokens.

Shape legend: batch B, tokens N (all modalities' side by side), modalities M, bottleneck tokens K, width D.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Self

import torch
from torch import nn
from transformers import AutoModel, AutoModelForCausalLM, PreTrainedModel
from transformers import initialization as init
from transformers.masking_utils import create_bidirectional_mask
from transformers.modeling_layers import GradientCheckpointingLayer
from transformers.modeling_utils import ALL_ATTENTION_FUNCTIONS
from transformers.processing_utils import Unpack
from transformers.utils import ModelOutput, TransformersKwargs
from transformers.utils.generic import is_flash_attention_requested, merge_with_config_defaults
from transformers.utils.output_capturing import capture_outputs

from heygen_hf.layers import (
    GatedFeedForward,
    RMSNorm,
    eager_attention,
    masked_mean,
    register_attention_functions,
    rms_norm,
)
from heygen_hf.models.multimodal_fusion.checks_multimodal_fusion import (
    check_clip_index,
    check_mask,
    check_some_modality_in_each,
)
from heygen_hf.models.multimodal_fusion.configuration_multimodal_fusion import MODALITIES, MultimodalFusionConfig
from heygen_hf.models.multimodal_fusion.encoders_multimodal_fusion import (
    build_encoder,
    encode_audio,
    encode_text,
    encode_video,
    encoder_part,
    encoder_width,
)

register_attention_functions()

POSITION_SCALE = 0.3  # of positions beside tokens of about unit scale, which say more


@dataclass
class MultimodalFusionOutput(ModelOutput):
    """Output of the fusion network.

    Attributes:
        last_hidden_state: every token after the fusion, `(B, N, D)`: with `fusion="hybrid"` the bottleneck tokens
            first, then text, video and audio tokens in that order, as far as they were passed.
        pooler_output: one vector a sample, `(B, D)`.
        token_mask: which tokens are real, `(B, N)`, 1 and 0.
        modality_weights: with `fusion="late"` how much each modality that was passed counted, `(B, M)`, sums to 1.
        hidden_states: per layer (and stream) `(B, tokens, D)`, when asked for.
        attentions: per layer (and stream) `(B, heads, tokens, tokens)`, when asked for, with `"eager"` attention.
        cross_attentions: with `fusion="hybrid"` per exchange what the bottlenecks read of each stream, then what the
            tokens read.
    """

    last_hidden_state: torch.FloatTensor | None = None
    pooler_output: torch.FloatTensor | None = None
    token_mask: torch.LongTensor | None = None
    modality_weights: torch.FloatTensor | None = None
    hidden_states: tuple[torch.FloatTensor, ...] | None = None
    attentions: tuple[torch.FloatTensor, ...] | None = None
    cross_attentions: tuple[torch.FloatTensor, ...] | None = None


class _Attention(nn.Module):
    """Attention without positions of its own (they are in the tokens); from one sequence to itself or to another."""

    def __init__(self, config: MultimodalFusionConfig) -> None:
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
        _start_at_zero(self.o_proj)

    def forward(
        self,
        hidden_states: torch.Tensor,
        context: torch.Tensor,
        attention_mask: torch.Tensor | None,
        **kwargs: Unpack[TransformersKwargs],
    ) -> tuple[torch.Tensor, torch.Tensor | None]:
        query = self.q_norm(self._heads(self.q_proj(hidden_states))).transpose(1, 2)
        key = self.k_norm(self._heads(self.k_proj(context))).transpose(1, 2)
        value = self._heads(self.v_proj(context)).transpose(1, 2)
        attend: Callable = ALL_ATTENTION_FUNCTIONS.get_interface(self._implementation(), eager_attention)
        dropout = self.attention_dropout if self.training else 0.0
        mixed, weights = attend(
            self, query, key, value, attention_mask, dropout=dropout, scaling=self.scaling, **kwargs
        )
        return self.o_proj(mixed.reshape(*mixed.shape[:2], -1)), weights

    def _heads(self, projected: torch.Tensor) -> torch.Tensor:
        return projected.view(*projected.shape[:-1], -1, self.head_dim)

    def _implementation(self) -> str:
        return self.config._attn_implementation


class MultimodalFusionAttention(_Attention):
    """Within a stream."""


class MultimodalFusionCrossAttention(_Attention):
    """Between bottlenecks and streams; a class of its own, so that its maps are recorded apart."""

    def _implementation(self) -> str:
        # transformers' flash attention takes the keys' padding for the queries' where the two have other lengths.
        return "sdpa" if is_flash_attention_requested(self.config) else self.config._attn_implementation


class MultimodalFusionBlock(GradientCheckpointingLayer):
    """Self-attention and feed-forward, each read from a normed stream and added to it."""

    def __init__(self, config: MultimodalFusionConfig) -> None:
        super().__init__()
        self.attention_norm = RMSNorm(config.hidden_size, eps=config.rms_norm_eps)
        self.attention = MultimodalFusionAttention(config)
        self.feed_forward_norm = RMSNorm(config.hidden_size, eps=config.rms_norm_eps)
        self.feed_forward = _feed_forward(config)
        self.dropout = nn.Dropout(config.hidden_dropout)

    def forward(
        self,
        hidden_states: torch.Tensor,
        attention_mask: torch.Tensor | None,
        **kwargs: Unpack[TransformersKwargs],
    ) -> torch.Tensor:
        normed = self.attention_norm(hidden_states)
        attended, _ = self.attention(normed, normed, attention_mask, **kwargs)
        hidden_states = hidden_states + self.dropout(attended)
        return hidden_states + self.dropout(self.feed_forward(self.feed_forward_norm(hidden_states)))


class MultimodalFusionExchange(GradientCheckpointingLayer):
    """The bottleneck tokens read every stream, think, and are read by every stream."""

    def __init__(self, config: MultimodalFusionConfig) -> None:
        super().__init__()
        self.token_norm = RMSNorm(config.hidden_size, eps=config.rms_norm_eps)
        self.bottleneck_norm = RMSNorm(config.hidden_size, eps=config.rms_norm_eps)
        self.read = MultimodalFusionCrossAttention(config)
        self.read.o_proj.starts_at_zero = False  # bottlenecks that read nothing would make every sample the same
        self.feed_forward_norm = RMSNorm(config.hidden_size, eps=config.rms_norm_eps)
        self.feed_forward = _feed_forward(config)
        self.answer_norm = RMSNorm(config.hidden_size, eps=config.rms_norm_eps)
        self.write = MultimodalFusionCrossAttention(config)
        self.dropout = nn.Dropout(config.hidden_dropout)

    def forward(
        self,
        bottlenecks: torch.Tensor,
        tokens: torch.Tensor,
        sizes: list[int],
        masks: list[torch.Tensor | None],
        presence: torch.Tensor,
        **kwargs: Unpack[TransformersKwargs],
    ) -> tuple[torch.Tensor, torch.Tensor]:
        """`sizes` are each stream's tokens, `masks` say which of them are real, `presence` `(B, M)` who is there."""
        normed = self.token_norm(tokens)
        # Each stream by itself, then the mean: in one softmax the modality that helps first would hide the others,
        # and what they could say would never be learned.
        asking = self.bottleneck_norm(bottlenecks)
        shares = presence.to(tokens.dtype) / presence.sum(dim=1, keepdim=True).clamp(min=1)
        for stream, share, mask in zip(normed.split(sizes, dim=1), shares.unbind(dim=1), masks, strict=True):
            read, _ = self.read(asking, stream, mask, **kwargs)
            bottlenecks = bottlenecks + share[:, None, None] * self.dropout(read)
        bottlenecks = bottlenecks + self.dropout(self.feed_forward(self.feed_forward_norm(bottlenecks)))
        written, _ = self.write(normed, self.answer_norm(bottlenecks), None, **kwargs)
        return bottlenecks, tokens + self.dropout(written)


class MultimodalFusionPooling(nn.Module):
    """`(B, N, D)` and a mask → `(B, D)`: learned attention (one score a head), the mean, or the first token."""

    def __init__(self, config: MultimodalFusionConfig) -> None:
        super().__init__()
        self.kind = config.pooling
        if self.kind == "attention":
            self.score = nn.Linear(config.hidden_size, config.num_attention_heads, bias=False)
            self.value = nn.Linear(config.hidden_size, config.hidden_size, bias=False)
            _start_at_zero(self.score)  # the mean, at the start

    def forward(self, tokens: torch.Tensor, mask: torch.Tensor) -> torch.Tensor:
        if self.kind == "mean":
            return masked_mean(tokens, mask)
        if self.kind == "first":
            first = mask.int().argmax(dim=1)
            return tokens[torch.arange(tokens.shape[0], device=tokens.device), first]
        scores = self.score(tokens).float().masked_fill(~mask[..., None], torch.finfo(torch.float32).min)
        weights = scores.softmax(dim=1).to(tokens.dtype)  # (B, N, heads)
        values = self.value(tokens).unflatten(-1, (weights.shape[-1], -1))
        return torch.einsum("bnh,bnhd->bhd", weights, values).flatten(1)


class MultimodalFusionPreTrainedModel(PreTrainedModel):
    """Initialisation, loading of encoders, and what the family supports."""

    config: MultimodalFusionConfig
    config_class = MultimodalFusionConfig
    base_model_prefix = "fusion"
    main_input_name = "input_ids"
    input_modalities = ("text", "video", "audio")
    supports_gradient_checkpointing = True
    _no_split_modules = ("MultimodalFusionBlock",)
    _supports_sdpa = True
    _supports_flash_attn = True
    _supports_flex_attn = True
    _supports_attention_backend = True
    _can_record_outputs = {
        "hidden_states": MultimodalFusionBlock,
        "attentions": MultimodalFusionAttention,
        "cross_attentions": MultimodalFusionCrossAttention,
    }

    @torch.no_grad()
    def _init_weights(self, module: nn.Module) -> None:
        """All initialisation, with the reason for each number (`scale` is `config.initializer_range`)."""
        super()._init_weights(module)
        scale = self.config.initializer_range
        if isinstance(module, nn.Linear):
            if getattr(module, "starts_at_zero", False):
                # The last projection of each residual branch: every block is the identity at the start. Scores and
                # gates: all tokens and modalities count alike.
                init.zeros_(module.weight)
            else:
                # A third of the variance that keeps activations at unit scale; independent of the width, so that one
                # learning rate serves every size. Classifiers too: one that starts at zero gives encoders no gradient
                # for what it cannot tell apart yet, and once the first question is answered the others never are.
                init.normal_(module.weight, std=scale * (3 * module.in_features) ** -0.5)
            if module.bias is not None:
                init.zeros_(module.bias)
        elif isinstance(module, nn.Embedding):
            # Modalities: enough to be told apart. What all samples share hides what they differ in from the pooling.
            init.normal_(module.weight, std=0.1 * scale)
        elif isinstance(module, RMSNorm):
            init.ones_(module.weight)
        elif isinstance(module, MultimodalFusionModel) and module.bottlenecks is not None:
            # Small, so that what they read outweighs what they are; they ask through a norm, in any scale.
            init.normal_(module.bottlenecks, std=0.02 * scale)

    @classmethod
    def from_encoders_pretrained(
        cls,
        *,
        text: str | PreTrainedModel | None = None,
        video: str | PreTrainedModel | None = None,
        audio: str | PreTrainedModel | None = None,
        decoder: str | PreTrainedModel | None = None,
        **options: Any,
    ) -> Self:
        """A fusion network with fresh weights around trained encoders.

        Args:
            text, video, audio: a model's name, its folder, or the model itself; None for a modality it does not read.
            decoder: the same for the causal language model that writes captions and answers.
            options: fields of the configuration (`fusion="hybrid"`, `hidden_size=512` ...).

        Example:
            >>> model = MultimodalFusionModel.from_encoders_pretrained(
            ...     text="google-bert/bert-base-uncased", video="MCG-NJU/videomae-base", fusion="hybrid"
            ... )
        """
        sources = {"text": text, "video": video, "audio": audio}
        encoders = {
            name: encoder_part(AutoModel.from_pretrained(source) if not isinstance(source, nn.Module) else source)
            for name, source in sources.items()
            if source is not None
        }
        if decoder is not None and not isinstance(decoder, nn.Module):
            decoder = AutoModelForCausalLM.from_pretrained(decoder)
        configs = {f"{name}_config": encoder.config for name, encoder in encoders.items()}
        if decoder is not None:
            configs["decoder_config"] = decoder.config
        model = cls(cls.config_class(**configs, **options))
        fusion = model.base_model
        for name, encoder in encoders.items():
            setattr(fusion, f"{name}_encoder", encoder)
        if decoder is not None:
            model.decoder = decoder
        return model.eval()


class MultimodalFusionModel(MultimodalFusionPreTrainedModel):
    """Any of text, video and audio in; fused tokens and one vector a sample out.

    A modality may be missing from a sample (its mask is all zeros) or from the batch (it is not passed). What stands
    in place of what is missing changes nothing.
    """

    def __init__(self, config: MultimodalFusionConfig) -> None:
        if not config.modalities:
            raise ValueError(
                "the configuration has no encoder: give text_config, video_config or audio_config, or two of them."
            )
        super().__init__(config)
        width = config.hidden_size
        for name in config.modalities:
            encoder_config = getattr(config, f"{name}_config")
            tokens_width = encoder_width(encoder_config, modality=name)
            setattr(self, f"{name}_encoder", build_encoder(encoder_config))
            setattr(self, f"{name}_proj", nn.Linear(tokens_width, width))
        self.modality_embedding = nn.Embedding(len(config.modalities), width)
        # Layer by layer; within a layer one block for each stream.
        streams = 1 if config.fusion == "early" else len(config.modalities)
        self.layers = nn.ModuleList([MultimodalFusionBlock(config) for _ in range(config.num_hidden_layers * streams)])
        self.norm = RMSNorm(width, eps=config.rms_norm_eps)
        self.pooling = MultimodalFusionPooling(config)
        hybrid, late = config.fusion == "hybrid", config.fusion == "late"
        self.bottlenecks = nn.Parameter(torch.empty(config.num_bottleneck_tokens, width)) if hybrid else None
        self.exchanges = nn.ModuleList([MultimodalFusionExchange(config) for _ in config.fusion_layers if hybrid])
        self.gate = nn.Linear(width, width) if late else None
        self.gated_norm = RMSNorm(width, eps=config.rms_norm_eps) if late else None
        self.gated_feed_forward = _feed_forward(config) if late else None
        if self.gate is not None:
            _start_at_zero(self.gate)
        self.gradient_checkpointing = False
        if hybrid:
            self._no_split_modules = (*self._no_split_modules, "MultimodalFusionExchange")
        self.post_init()
        self._freeze()

    def get_input_embeddings(self) -> nn.Module | None:
        return self.text_encoder.get_input_embeddings() if "text" in self.config.modalities else None

    def set_input_embeddings(self, value: nn.Module) -> None:
        self.text_encoder.set_input_embeddings(value)

    def train(self, mode: bool = True) -> Self:
        super().train(mode)
        self._freeze()  # loading, which ends with `eval()`, makes every parameter trainable
        return self

    def _freeze(self) -> None:
        for name in self.config.frozen_modalities:
            if hasattr(self, f"{name}_encoder"):
                getattr(self, f"{name}_encoder").eval().requires_grad_(False)

    @merge_with_config_defaults
    @capture_outputs(tie_last_hidden_states=False)
    def forward(
        self,
        input_ids: torch.LongTensor | None = None,
        attention_mask: torch.Tensor | None = None,
        pixel_values: torch.FloatTensor | None = None,
        pixel_mask: torch.Tensor | None = None,
        audio_values: torch.FloatTensor | None = None,
        input_features: torch.FloatTensor | None = None,
        audio_attention_mask: torch.Tensor | None = None,
        clip_index: torch.LongTensor | None = None,
        **kwargs: Unpack[TransformersKwargs],
    ) -> MultimodalFusionOutput:
        r"""
        Args:
            input_ids (`torch.LongTensor` of shape `(batch, tokens)`, *optional*):
                Text, for a model with a text encoder.
            attention_mask (`torch.Tensor` of shape `(batch, tokens)`, *optional*):
                1 for tokens, 0 for padding; a row of zeros for a sample without text. Without it, tokens other than the
                encoder's `pad_token_id` count.
            pixel_values (`torch.FloatTensor` of shape `(batch, frames, channels, height, width)`, *optional*):
                Video, of the size and range the video encoder wants.
            pixel_mask (`torch.Tensor` of shape `(batch,)`, *optional*):
                False for a sample without video.
            audio_values (`torch.FloatTensor` of shape `(batch, samples)`, *optional*):
                Sound as samples, for an audio encoder that reads `input_values`.
            input_features (`torch.FloatTensor` of shape `(batch, ...)`, *optional*):
                Sound as the audio encoder's own feature extractor makes it, instead of `audio_values`.
            audio_attention_mask (`torch.Tensor` of shape `(batch, samples)` or `(batch, frames)`, *optional*):
                1 for sound, 0 for padding; a row of zeros for a sample without sound.
            clip_index (`torch.LongTensor` of shape `(batch,)`, *optional*):
                Which row of the video and the sound each text is about, where several share one: questions about a
                clip. Their first dimension is then the number of clips, and each is encoded once.

        Raises:
            ValueError: a modality the model has no encoder for; no modality at all, in the batch or in a sample; masks
                and inputs that do not fit each other; an encoder's output that is not what its configuration says.
        """
        # 1. Each modality as tokens of one width, and which samples have it.
        names, streams, masks = self._encode(
            input_ids,
            attention_mask,
            pixel_values,
            pixel_mask,
            audio_values,
            input_features,
            audio_attention_mask,
            clip_index,
        )
        presence = torch.stack([mask.any(dim=1) for mask in masks], dim=1)
        check_some_modality_in_each(presence, modalities=names)
        if self.training and self.config.modality_dropout:
            presence = _drop_modalities(presence, self.config.modality_dropout)
            masks = [mask & presence[:, i, None] for i, mask in enumerate(masks)]

        # 2. What is missing becomes zeros that nobody reads.
        streams = [tokens.where(mask[..., None], 0) for tokens, mask in zip(streams, masks, strict=True)]

        # 3. The fusion.
        if self.config.fusion == "early":
            return self._fuse_early(streams, masks, **kwargs)
        own_blocks = [self.config.modalities.index(name) for name in names]
        if self.config.fusion == "late":
            return self._fuse_late(streams, masks, own_blocks, **kwargs)
        return self._fuse_hybrid(streams, masks, own_blocks, **kwargs)

    def _fuse_early(
        self, streams: list[torch.Tensor], masks: list[torch.Tensor], **kwargs: Unpack[TransformersKwargs]
    ) -> MultimodalFusionOutput:
        """One stream of all tokens through one stack of blocks."""
        hidden_states, mask = torch.cat(streams, dim=1), torch.cat(masks, dim=1)
        attention = self._self_attention_mask(hidden_states, mask)
        for layer in self.layers:
            hidden_states = layer(hidden_states, attention, **kwargs)
        hidden_states = self.norm(hidden_states)
        return MultimodalFusionOutput(
            last_hidden_state=hidden_states, pooler_output=self.pooling(hidden_states, mask), token_mask=mask.long()
        )

    def _fuse_late(
        self,
        streams: list[torch.Tensor],
        masks: list[torch.Tensor],
        own_blocks: list[int],
        **kwargs: Unpack[TransformersKwargs],
    ) -> MultimodalFusionOutput:
        """A stack of blocks for each modality, one vector from each, and a gate that weighs them value by value."""
        attentions = [self._self_attention_mask(tokens, mask) for tokens, mask in zip(streams, masks, strict=True)]
        for depth in range(self.config.num_hidden_layers):
            streams = self._step(depth, streams, attentions, own_blocks, **kwargs)
        streams = [self.norm(tokens) for tokens in streams]
        pooled = torch.stack([self.pooling(t, m) for t, m in zip(streams, masks, strict=True)], dim=1)  # (B, M, D)
        present = torch.stack([mask.any(dim=1) for mask in masks], dim=1)[..., None]
        scores = self.gate(pooled).float().masked_fill(~present, torch.finfo(torch.float32).min)
        gates = scores.softmax(dim=1).to(pooled.dtype)
        fused = (gates * pooled).sum(dim=1)
        fused = fused + self.gated_feed_forward(self.gated_norm(fused))
        return MultimodalFusionOutput(
            last_hidden_state=torch.cat(streams, dim=1),
            pooler_output=fused,
            token_mask=torch.cat(masks, dim=1).long(),
            modality_weights=gates.mean(dim=-1),
        )

    def _fuse_hybrid(
        self,
        streams: list[torch.Tensor],
        masks: list[torch.Tensor],
        own_blocks: list[int],
        **kwargs: Unpack[TransformersKwargs],
    ) -> MultimodalFusionOutput:
        """A stack of blocks for each modality, which talk through the bottleneck tokens after the chosen layers."""
        batch, sizes = streams[0].shape[0], [tokens.shape[1] for tokens in streams]
        mask = torch.cat(masks, dim=1)
        bottlenecks = self.bottlenecks.to(streams[0].dtype).expand(batch, -1, -1)
        attentions = [self._self_attention_mask(tokens, m) for tokens, m in zip(streams, masks, strict=True)]
        reading = [self._reading_mask(bottlenecks, t, m) for t, m in zip(streams, masks, strict=True)]
        presence = torch.stack([m.any(dim=1) for m in masks], dim=1)
        exchanges = iter(self.exchanges)
        for depth in range(self.config.num_hidden_layers):
            streams = self._step(depth, streams, attentions, own_blocks, **kwargs)
            if depth in self.config.fusion_layers:
                bottlenecks, tokens = next(exchanges)(
                    bottlenecks, torch.cat(streams, dim=1), sizes, reading, presence, **kwargs
                )
                streams = list(tokens.split(sizes, dim=1))
        bottlenecks = self.norm(bottlenecks)
        bottleneck_mask = mask.new_ones(bottlenecks.shape[:2])
        return MultimodalFusionOutput(
            last_hidden_state=torch.cat((bottlenecks, *(self.norm(tokens) for tokens in streams)), dim=1),
            pooler_output=self.pooling(bottlenecks, bottleneck_mask),
            token_mask=torch.cat((bottleneck_mask, mask), dim=1).long(),
        )

    def _step(
        self,
        depth: int,
        streams: list[torch.Tensor],
        attentions: list[torch.Tensor | None],
        own_blocks: list[int],
        **kwargs: Unpack[TransformersKwargs],
    ) -> list[torch.Tensor]:
        """One layer: each stream through its own block."""
        first = depth * len(self.config.modalities)
        return [
            self.layers[first + own](tokens, attention, **kwargs)
            for own, tokens, attention in zip(own_blocks, streams, attentions, strict=True)
        ]

    def _self_attention_mask(self, tokens: torch.Tensor, mask: torch.Tensor) -> torch.Tensor | None:
        # A row that may read nothing is undefined in some kernels; what it reads here, nobody uses.
        readable = mask | ~mask.any(dim=1, keepdim=True)
        return create_bidirectional_mask(self.config, tokens, readable, allow_is_bidirectional_skip=not self.training)

    def _reading_mask(self, bottlenecks: torch.Tensor, tokens: torch.Tensor, mask: torch.Tensor) -> torch.Tensor | None:
        mask = mask | ~mask.any(dim=1, keepdim=True)  # what is read of a missing modality counts nothing
        if is_flash_attention_requested(self.config):
            return mask[:, None, None, :]  # for SDPA, see MultimodalFusionCrossAttention
        return create_bidirectional_mask(
            self.config, bottlenecks, mask, tokens, allow_is_bidirectional_skip=not self.training
        )

    def _encode(
        self,
        input_ids: torch.Tensor | None,
        attention_mask: torch.Tensor | None,
        pixel_values: torch.Tensor | None,
        pixel_mask: torch.Tensor | None,
        audio_values: torch.Tensor | None,
        input_features: torch.Tensor | None,
        audio_attention_mask: torch.Tensor | None,
        clip_index: torch.Tensor | None,
    ) -> tuple[tuple[str, ...], list[torch.Tensor], list[torch.Tensor]]:
        """Names, tokens `(B, N, D)` and masks `(B, N)` of the modalities that were passed, in the streams' order."""
        if audio_values is not None and input_features is not None:
            raise ValueError("pass audio_values (samples) or input_features, and not both.")
        sound = audio_values if audio_values is not None else input_features
        passed = {"text": input_ids, "video": pixel_values, "audio": sound}
        names = tuple(name for name in MODALITIES if passed[name] is not None)
        for name in names:
            if name not in self.config.modalities:
                raise ValueError(f"{name} was passed to a model without {name}_config; it has no encoder to read it.")
        if not names:
            raise ValueError(f"no modality was passed: give at least one of {', '.join(self.config.modalities)}.")
        batch = passed[names[0]].shape[0]
        tokens, masks = {}, {}
        if input_ids is not None:
            tokens["text"], masks["text"] = self._encode_text(input_ids, attention_mask)
        if pixel_values is not None:
            tokens["video"], masks["video"] = self._encode_video(pixel_values, pixel_mask)
        if sound is not None:
            tokens["audio"], masks["audio"] = self._encode_audio(audio_values, input_features, audio_attention_mask)
        if clip_index is not None:
            check_clip_index(clip_index, texts=input_ids, clips=pixel_values if pixel_values is not None else sound)
            for name in tokens.keys() - {"text"}:
                tokens[name], masks[name] = tokens[name][clip_index], masks[name][clip_index]
        for name in names:
            if tokens[name].shape[0] != batch:
                raise ValueError(
                    f"the batch has {batch} samples of {names[0]} and {tokens[name].shape[0]} of {name}: pass one of "
                    "each a sample, with a mask for what is missing."
                )
        return names, [tokens[name] for name in names], [masks[name] for name in names]

    def _encode_text(
        self, input_ids: torch.Tensor, attention_mask: torch.Tensor | None
    ) -> tuple[torch.Tensor, torch.Tensor]:
        if attention_mask is None:
            pad = getattr(self.config.text_config, "pad_token_id", None)
            attention_mask = torch.ones_like(input_ids) if pad is None else input_ids != pad
        check_mask(attention_mask, input_ids.shape, name="attention_mask", of="input_ids")
        mask = attention_mask.bool()
        readable = mask | ~mask.any(dim=1, keepdim=True)
        with self._gradients("text"):
            hidden, _ = encode_text(self.text_encoder, input_ids, readable)
        places = torch.arange(hidden.shape[1], device=hidden.device)
        positions = torch.stack((places, torch.zeros_like(places), torch.zeros_like(places)), dim=-1)
        return self._embed("text", hidden, positions), mask

    def _encode_video(
        self, pixel_values: torch.Tensor, pixel_mask: torch.Tensor | None
    ) -> tuple[torch.Tensor, torch.Tensor]:
        if pixel_values.ndim != 5:
            raise ValueError(
                f"pixel_values have shape {tuple(pixel_values.shape)}; expected (batch, frames, channels, height, "
                "width): give an image one frame."
            )
        pixel_values = pixel_values.to(self.dtype)
        if pixel_mask is None:
            pixel_mask = torch.ones(pixel_values.shape[0], dtype=torch.bool, device=pixel_values.device)
        else:
            check_mask(pixel_mask, pixel_values.shape[:1], name="pixel_mask", of="pixel_values' samples")
            pixel_values = pixel_values.where(pixel_mask.bool()[:, None, None, None, None], 0)
        with self._gradients("video"):
            hidden, positions = encode_video(self.video_encoder, pixel_values)
        tokens = self._embed("video", hidden, positions)
        return tokens, pixel_mask.bool()[:, None].expand(-1, tokens.shape[1])

    def _encode_audio(
        self,
        audio_values: torch.Tensor | None,
        input_features: torch.Tensor | None,
        audio_attention_mask: torch.Tensor | None,
    ) -> tuple[torch.Tensor, torch.Tensor]:
        sound = audio_values if audio_values is not None else input_features
        if audio_attention_mask is None:
            audio_attention_mask = torch.ones(sound.shape[:2], dtype=torch.bool, device=sound.device)
        mask = audio_attention_mask.bool()
        if audio_values is not None:
            check_mask(mask, audio_values.shape, name="audio_attention_mask", of="audio_values")
            audio_values = audio_values.where(mask, 0)
            if not getattr(self.audio_encoder, "reads_full_precision_audio", False):
                audio_values = audio_values.to(self.dtype)
        else:
            present = mask.any(dim=1).reshape(-1, *(1,) * (input_features.ndim - 1))
            input_features = input_features.to(self.dtype).where(present, 0)
        readable = mask | ~mask.any(dim=1, keepdim=True)
        with self._gradients("audio"):
            hidden, token_mask = encode_audio(self.audio_encoder, audio_values, input_features, readable)
        places = torch.arange(hidden.shape[1], device=hidden.device)
        positions = torch.stack((places, torch.zeros_like(places), torch.zeros_like(places)), dim=-1)
        return self._embed("audio", hidden, positions), token_mask & mask.any(dim=1, keepdim=True)

    def _gradients(self, name: str) -> torch.set_grad_enabled:
        return torch.set_grad_enabled(torch.is_grad_enabled() and name not in self.config.frozen_modalities)

    def _embed(self, name: str, hidden: torch.Tensor, positions: torch.Tensor) -> torch.Tensor:
        """An encoder's tokens at the network's width, with their place and their modality: `(B, N, D)`."""
        # Encoders end in any scale: BERT's in a norm, a convolution's wherever it likes.
        normed = rms_norm(hidden, eps=self.config.rms_norm_eps).to(self.modality_embedding.weight.dtype)
        tokens = getattr(self, f"{name}_proj")(normed)
        place = _position_features(positions, self.config.hidden_size).to(tokens.dtype)
        return tokens + POSITION_SCALE * place + self.modality_embedding.weight[self.config.modalities.index(name)]


def _position_features(positions: torch.Tensor, size: int) -> torch.Tensor:
    """`(N, 3)` places (time, row, column) → `(N, size)` sines and cosines in float32; half for time, a quarter each.

    Encoders know places their own way; pooling and cross-attention need them in the token (arXiv:1706.03762).
    """
    spatial = size // 8
    time = size // 2 - 2 * spatial
    features = []
    for axis, planes in enumerate((time, spatial, spatial)):
        exponents = torch.arange(planes, device=positions.device, dtype=torch.float32) / planes
        angle = positions[:, axis, None].float() * 1000.0**-exponents
        features += [angle.sin(), angle.cos()]
    return nn.functional.pad(torch.cat(features, dim=-1), (0, size % 2))


def _drop_modalities(presence: torch.Tensor, chance: float) -> torch.Tensor:
    """`(B, M)`: which modalities stay. The one that was luckiest stays in any case."""
    luck = torch.rand(presence.shape, device=presence.device).masked_fill(~presence, -1.0)
    return presence & ((luck >= chance) | (luck == luck.amax(dim=1, keepdim=True)))


def _feed_forward(config: MultimodalFusionConfig) -> GatedFeedForward:
    layer = GatedFeedForward(config.hidden_size, config.intermediate_size, activation=config.hidden_act)
    _start_at_zero(layer.down_proj)
    return layer


def _start_at_zero(*projections: nn.Linear) -> None:
    """Mark layers for `_init_weights`, which sees them one by one and may see only those a checkpoint lacks."""
    for projection in projections:
        projection.starts_at_zero = True


__all__ = [
    "MultimodalFusionAttention",
    "MultimodalFusionModel",
    "MultimodalFusionOutput",
    "MultimodalFusionPreTrainedModel",
]
