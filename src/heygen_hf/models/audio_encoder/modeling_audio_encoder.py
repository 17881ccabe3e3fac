"""A small encoder of speech and sound: log-mel features, convolutions, a bidirectional transformer.

Shape legend: batch B, samples S, frames F, mel bands M, tokens N, width D.
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
from transformers.utils.generic import merge_with_config_defaults
from transformers.utils.output_capturing import capture_outputs

from heygen_hf.layers import (
    GatedFeedForward,
    RMSNorm,
    eager_attention,
    masked_mean,
    register_attention_functions,
    timestep_features,
)
from heygen_hf.models.audio_encoder.configuration_audio_encoder import AudioEncoderConfig
from heygen_hf.processing.log_mel import log_mel_spectrogram

register_attention_functions()


@dataclass
class AudioEncoderOutput(ModelOutput):
    """Output of the encoder.

    Attributes:
        last_hidden_state: `(B, N, D)`.
        pooler_output: the mean over real tokens, `(B, D)`.
        attention_mask: which tokens stand for sound, `(B, N)`, 1 and 0.
        hidden_states: per layer `(B, N, D)`, when asked for.
        attentions: per layer `(B, heads, N, N)`, when asked for with `attn_implementation="eager"`.
    """

    last_hidden_state: torch.FloatTensor | None = None
    pooler_output: torch.FloatTensor | None = None
    attention_mask: torch.LongTensor | None = None
    hidden_states: tuple[torch.FloatTensor, ...] | None = None
    attentions: tuple[torch.FloatTensor, ...] | None = None


class AudioEncoderAttention(nn.Module):
    """Self-attention; positions are in the tokens."""

    def __init__(self, config: AudioEncoderConfig) -> None:
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

    def forward(
        self,
        hidden_states: torch.Tensor,
        attention_mask: torch.Tensor | None,
        **kwargs: Unpack[TransformersKwargs],
    ) -> tuple[torch.Tensor, torch.Tensor | None]:
        split = (*hidden_states.shape[:-1], -1, self.head_dim)
        query = self.q_norm(self.q_proj(hidden_states).view(split)).transpose(1, 2)
        key = self.k_norm(self.k_proj(hidden_states).view(split)).transpose(1, 2)
        value = self.v_proj(hidden_states).view(split).transpose(1, 2)
        attend: Callable = ALL_ATTENTION_FUNCTIONS.get_interface(self.config._attn_implementation, eager_attention)
        dropout = self.attention_dropout if self.training else 0.0
        mixed, weights = attend(
            self, query, key, value, attention_mask, dropout=dropout, scaling=self.scaling, **kwargs
        )
        return self.o_proj(mixed.reshape(*mixed.shape[:2], -1)), weights


class AudioEncoderBlock(GradientCheckpointingLayer):
    """Attention and feed-forward, each read from a normed stream and added to it."""

    def __init__(self, config: AudioEncoderConfig) -> None:
        super().__init__()
        self.attention_norm = RMSNorm(config.hidden_size, eps=config.rms_norm_eps)
        self.attention = AudioEncoderAttention(config)
        self.feed_forward_norm = RMSNorm(config.hidden_size, eps=config.rms_norm_eps)
        self.feed_forward = GatedFeedForward(config.hidden_size, config.intermediate_size, activation=config.hidden_act)
        self.dropout = nn.Dropout(config.hidden_dropout)
        for projection in (self.attention.o_proj, self.feed_forward.down_proj):
            projection.starts_at_zero = True  # for `_init_weights`, which sees layers one by one

    def forward(
        self,
        hidden_states: torch.Tensor,
        attention_mask: torch.Tensor | None,
        **kwargs: Unpack[TransformersKwargs],
    ) -> torch.Tensor:
        attended, _ = self.attention(self.attention_norm(hidden_states), attention_mask, **kwargs)
        hidden_states = hidden_states + self.dropout(attended)
        return hidden_states + self.dropout(self.feed_forward(self.feed_forward_norm(hidden_states)))


class AudioEncoderPreTrainedModel(PreTrainedModel):
    """Initialisation and what the family supports."""

    config: AudioEncoderConfig
    config_class = AudioEncoderConfig
    base_model_prefix = "audio_encoder"
    main_input_name = "input_values"
    input_modalities = ("audio",)
    supports_gradient_checkpointing = True
    _no_split_modules = ("AudioEncoderBlock",)
    _supports_sdpa = True
    _supports_flash_attn = True
    _supports_flex_attn = True
    _supports_attention_backend = True
    _can_compile_fullgraph = True
    _can_record_outputs = {"hidden_states": AudioEncoderBlock, "attentions": AudioEncoderAttention}
    # Samples reach the spectrogram as they are: in half precision quiet sounds would drown in rounding.
    reads_full_precision_audio = True

    @torch.no_grad()
    def _init_weights(self, module: nn.Module) -> None:
        """All initialisation, with the reason for each number (`scale` is `config.initializer_range`)."""
        super()._init_weights(module)
        scale = self.config.initializer_range
        if isinstance(module, nn.Linear):
            if getattr(module, "starts_at_zero", False):
                # The last projection of each residual branch: every block is the identity at the start.
                init.zeros_(module.weight)
            else:
                # A third of the variance that keeps activations at unit scale, independent of the width.
                init.normal_(module.weight, std=scale * (3 * module.in_features) ** -0.5)
        elif isinstance(module, nn.Conv1d):
            # He's numbers, for the rectified kind of activation that follows.
            init.kaiming_normal_(module.weight, mode="fan_in", nonlinearity="relu")
            init.zeros_(module.bias)
        elif isinstance(module, RMSNorm):
            init.ones_(module.weight)


class AudioEncoderModel(AudioEncoderPreTrainedModel):
    """Sound in, as samples or as log-mel features; a hidden state for each short piece of it out."""

    def __init__(self, config: AudioEncoderConfig) -> None:
        super().__init__(config)
        widths = [config.num_mel_bins] + [config.hidden_size] * len(config.convolution_strides)
        self.convolutions = nn.ModuleList(
            [
                nn.Conv1d(widths[i], widths[i + 1], kernel_size=3, stride=stride, padding=1)
                for i, stride in enumerate(config.convolution_strides)
            ]
        )
        self.dropout = nn.Dropout(config.hidden_dropout)
        self.layers = nn.ModuleList([AudioEncoderBlock(config) for _ in range(config.num_hidden_layers)])
        self.norm = RMSNorm(config.hidden_size, eps=config.rms_norm_eps)
        self.gradient_checkpointing = False
        self.post_init()

    @merge_with_config_defaults
    @capture_outputs
    def forward(
        self,
        input_values: torch.FloatTensor | None = None,
        attention_mask: torch.Tensor | None = None,
        input_features: torch.FloatTensor | None = None,
        **kwargs: Unpack[TransformersKwargs],
    ) -> AudioEncoderOutput:
        r"""
        Args:
            input_values (`torch.FloatTensor` of shape `(batch, samples)`, *optional*):
                Mono sound in [-1, 1] at `config.sampling_rate`.
            attention_mask (`torch.Tensor` of shape `(batch, samples)` or `(batch, frames)`, *optional*):
                1 for sound, 0 for padding at the end.
            input_features (`torch.FloatTensor` of shape `(batch, frames, num_mel_bins)`, *optional*):
                Features by [`AudioFeatureExtractor`] instead of samples.

        Raises:
            ValueError: both or neither of samples and features, or shapes that do not fit.
        """
        # 1. Log-mel features: how loud each band is, frame by frame.
        if (input_values is None) == (input_features is None):
            raise ValueError("pass input_values (samples) or input_features, and not both.")
        if input_values is not None:
            features, mask = self._features(input_values, attention_mask)
        else:
            features, mask = input_features, attention_mask
            if features.ndim != 3 or features.shape[-1] != self.config.num_mel_bins:
                raise ValueError(
                    f"input_features have shape {tuple(features.shape)}; expected (batch, frames, num_mel_bins="
                    f"{self.config.num_mel_bins}): use the extractor that was saved with the model."
                )
        mask = torch.ones(features.shape[:2], device=features.device) if mask is None else mask
        if mask.shape != features.shape[:2]:
            raise ValueError(
                f"attention_mask has shape {tuple(mask.shape)}; expected the frames', {tuple(features.shape[:2])}."
            )

        # 2. Convolutions over frames. Padding stays zero, so that a recording is the same alone and in a batch.
        hidden_states, mask = features.to(self.dtype).transpose(1, 2), mask.bool()
        hidden_states = hidden_states.where(mask[:, None], 0)
        for convolution in self.convolutions:
            hidden_states = nn.functional.gelu(convolution(hidden_states))
            mask = mask[:, :: convolution.stride[0]]
            hidden_states = hidden_states.where(mask[:, None], 0)

        # 3. The transformer, over tokens that know their time.
        places = torch.arange(hidden_states.shape[-1], device=hidden_states.device) / 1000.0
        positions = timestep_features(places, self.config.hidden_size).to(hidden_states.dtype)
        hidden_states = self.dropout(hidden_states.transpose(1, 2) + positions)
        # A recording that is nothing but padding: what it reads is not used.
        readable = mask | ~mask.any(dim=1, keepdim=True)
        attention = create_bidirectional_mask(
            self.config, hidden_states, readable, allow_is_bidirectional_skip=not self.training
        )
        for layer in self.layers:
            hidden_states = layer(hidden_states, attention, **kwargs)
        hidden_states = self.norm(hidden_states)
        return AudioEncoderOutput(
            last_hidden_state=hidden_states, pooler_output=masked_mean(hidden_states, mask), attention_mask=mask.long()
        )

    def _features(
        self, input_values: torch.Tensor, attention_mask: torch.Tensor | None
    ) -> tuple[torch.Tensor, torch.Tensor]:
        return log_mel_spectrogram(
            input_values,
            attention_mask,
            sampling_rate=self.config.sampling_rate,
            num_mel_bins=self.config.num_mel_bins,
            window_seconds=self.config.window_seconds,
            hop_seconds=self.config.hop_seconds,
            min_frequency=self.config.min_frequency,
            max_frequency=self.config.max_frequency,
            normalize=self.config.normalize,
        )


__all__ = ["AudioEncoderModel", "AudioEncoderOutput", "AudioEncoderPreTrainedModel"]
