"""Configuration of the audio encoder."""

from typing import Literal

from huggingface_hub.dataclasses import strict
from transformers import PreTrainedConfig


@strict
class AudioEncoderConfig(PreTrainedConfig):
    r"""Configuration of an [`AudioEncoderModel`].

    Args:
        sampling_rate (`int`, defaults to 16000):
            Of the sound it is given, in Hz.
        num_mel_bins, window_seconds, hop_seconds, min_frequency, max_frequency, normalize:
            The log-mel front end, as in [`AudioFeatureExtractor`], whose defaults they share.
        hidden_size, num_hidden_layers, num_attention_heads (`int`, default 256, 4, 4):
            Width, depth and heads of the transformer.
        intermediate_size (`int`, *optional*):
            Inner width of the gated feed-forward; by default 8/3 times `hidden_size`, rounded up to 32.
        convolution_strides (`list[int]`, defaults to `(1, 2)`):
            One convolution over three frames each; a token stands for the product of the strides frames.
        hidden_act (`str`, defaults to `"silu"`), rms_norm_eps (`float`, defaults to 1e-6):
            Activation of the feed-forward; norm epsilon.
        hidden_dropout, attention_dropout (`float`, default 0.0):
            Dropout on the features and each residual branch, and on attention weights.
        initializer_range (`float`, defaults to 1.0):
            Scale of the width-aware initialisation (see `_init_weights`).

    Example:
        >>> model = AudioEncoderModel(AudioEncoderConfig(sampling_rate=8000, hidden_size=64, num_hidden_layers=2))
    """

    model_type = "heygen_audio_encoder"
    base_model_tp_plan = {
        "layers.*.attention.q_proj": "colwise",
        "layers.*.attention.k_proj": "colwise",
        "layers.*.attention.v_proj": "colwise",
        "layers.*.attention.o_proj": "rowwise",
        "layers.*.feed_forward.gate_proj": "colwise",
        "layers.*.feed_forward.up_proj": "colwise",
        "layers.*.feed_forward.down_proj": "rowwise",
    }

    sampling_rate: int = 16_000
    num_mel_bins: int = 64
    window_seconds: float = 0.025
    hop_seconds: float = 0.010
    min_frequency: float | int = 20.0
    max_frequency: float | int | None = None
    normalize: Literal["utterance", "none"] = "utterance"
    hidden_size: int = 256
    num_hidden_layers: int = 4
    num_attention_heads: int = 4
    intermediate_size: int | None = None
    convolution_strides: list[int] | tuple[int, ...] = (1, 2)
    hidden_act: str = "silu"
    rms_norm_eps: float = 1e-6
    hidden_dropout: float | int = 0.0
    attention_dropout: float | int = 0.0
    initializer_range: float | int = 1.0

    def __post_init__(self, **kwargs: object) -> None:
        self.convolution_strides = list(self.convolution_strides)
        if self.intermediate_size is None:
            self.intermediate_size = -(-int(self.hidden_size * 8 / 3) // 32) * 32
        super().__post_init__(**kwargs)

    def validate_architecture(self) -> None:
        """Checks across fields; part of `@strict`'s validation."""
        for name in ("sampling_rate", "num_mel_bins", "hidden_size", "num_hidden_layers", "num_attention_heads"):
            if getattr(self, name) < 1:
                raise ValueError(f"{name}={getattr(self, name)} must be at least 1.")
        for name in ("window_seconds", "hop_seconds"):
            if not getattr(self, name) > 0:
                raise ValueError(f"{name}={getattr(self, name)} must be above 0.")
        if self.hidden_size % (2 * self.num_attention_heads):
            raise ValueError(
                f"hidden_size={self.hidden_size} is not a multiple of 2 * num_attention_heads="
                f"{2 * self.num_attention_heads}: every head needs the same size, and positions an even width."
            )
        highest = self.sampling_rate / 2 if self.max_frequency is None else self.max_frequency
        if not 0 <= self.min_frequency < highest <= self.sampling_rate / 2:
            raise ValueError(
                f"min_frequency={self.min_frequency} and max_frequency={highest} Hz must lie in order within [0, "
                f"{self.sampling_rate / 2}], half the sampling rate."
            )
        if not self.convolution_strides or min(self.convolution_strides) < 1:
            raise ValueError(f"convolution_strides={self.convolution_strides} must be positive, at least one.")
        for name in ("hidden_dropout", "attention_dropout"):
            if not 0 <= getattr(self, name) < 1:
                raise ValueError(f"{name}={getattr(self, name)} must lie in [0, 1).")


__all__ = ["AudioEncoderConfig"]
