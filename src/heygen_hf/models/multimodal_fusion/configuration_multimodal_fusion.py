"""Configuration of the multimodal fusion network."""

from typing import Literal

from huggingface_hub.dataclasses import strict
from transformers import AutoConfig, PreTrainedConfig
from transformers.configuration_utils import SubConfigSpec

MODALITIES = ("text", "video", "audio")


@strict
class MultimodalFusionConfig(PreTrainedConfig):
    r"""Configuration of a [`MultimodalFusionModel`].

    Args:
        text_config, video_config, audio_config (`PreTrainedConfig` or `dict`, *optional*):
            The encoders, each any configuration that `AutoModel` knows; None for a modality the model does not read.
        decoder_config (`PreTrainedConfig` or `dict`, *optional*):
            The causal language model that writes captions and generated answers, any that `AutoModelForCausalLM` knows
            and that takes `inputs_embeds`.
        fusion (`"early"`, `"late"` or `"hybrid"`, defaults to `"hybrid"`):
            One joint stream of every modality's tokens; a stream for each, pooled and then gated; a stream for each,
            which exchange what they know through a few bottleneck tokens (arXiv:2107.00135).
        hidden_size, num_hidden_layers, num_attention_heads (`int`, default 256, 2, 4):
            Width, depth and heads of the fusion network.
        intermediate_size (`int`, *optional*):
            Inner width of the gated feed-forward; by default 8/3 times `hidden_size`, rounded up to 32.
        num_bottleneck_tokens (`int`, defaults to 4):
            Tokens through which the streams of `"hybrid"` talk.
        fusion_layers (`list[int]`, *optional*):
            After which layers of `"hybrid"` they talk, counted from 0; by default after every one.
        modality_dropout (`float`, defaults to 0.0):
            Chance in training that a modality of a sample is left out. The last one never is.
        pooling (`"attention"`, `"mean"` or `"first"`, defaults to `"attention"`):
            How a stream's tokens become one vector: read by a learned query, averaged, or the first token's.
        projection_size (`int`, defaults to 256):
            Width of the embeddings that contrastive learning compares.
        contrastive_loss (`"softmax"` or `"sigmoid"`, defaults to `"softmax"`):
            Symmetric cross-entropy over the global batch (CLIP), or one decision a pair (SigLIP, arXiv:2303.15343).
        logit_scale_init (`float`, *optional*):
            Start of the log of the inverse temperature, by default where the papers start: 2.6592 and 2.3026.
        alignment_weight, consistency_weight (`float`, default 0.0):
            Weights beside the contrastive loss's 1, see [`MultimodalLoss`].
        group_equal_texts (`bool`, defaults to `True`):
            Whether samples of a batch with the same text are each other's positives instead of false negatives.
        freeze_encoders (`bool` or `list[str]`, defaults to `False`):
            Encoders that are not trained: all of them, or those named `"text"`, `"video"`, `"audio"`. They stay in
            eval mode and compute no gradients; for adapters inside an encoder leave it unfrozen, peft freezes the rest.
        label_columns (`dict[str, list[str]]`, *optional*):
            What classification predicts: a name for each column of labels, and the column's class names. Without it
            there is one column with `num_labels` classes.
        classification_loss (`"cross_entropy"` or `"focal"`), focal_gamma, label_smoothing (`float`, default 2.0, 0.0):
            The loss of classification and of answers by classification; smoothing is cross-entropy's.
        answer_by (`"classification"` or `"generation"`, defaults to `"classification"`):
            Whether question answering picks one of the answers in `id2label`, or writes it with the decoder.
        hidden_dropout, attention_dropout, classifier_dropout (`float`, default 0.0):
            Dropout on each residual branch, on attention weights, before a classifier.
        hidden_act (`str`, defaults to `"silu"`), rms_norm_eps (`float`, defaults to 1e-6):
            Activation of the feed-forward; norm epsilon.
        initializer_range (`float`, defaults to 1.0):
            Scale of the width-aware initialisation (see `_init_weights`).

    Example:
        >>> text = TextTransformerConfig(vocab_size=256, hidden_size=64, num_attention_heads=2, is_causal=False)
        >>> video = ConvVideoEncoderConfig(hidden_sizes=(16, 32), strides=((1, 2), (2, 2)))
        >>> model = MultimodalFusionModel(MultimodalFusionConfig(text_config=text, video_config=video, fusion="late"))
    """

    model_type = "heygen_multimodal_fusion"
    keys_to_ignore_at_inference = ["past_key_values", "token_mask", "last_hidden_state", "logit_scale"]
    base_model_tp_plan = {
        "layers.*.attention.q_proj": "colwise",
        "layers.*.attention.k_proj": "colwise",
        "layers.*.attention.v_proj": "colwise",
        # Each rank's heads give these a part of their gradient.
        "layers.*.attention.q_norm": "replicated_with_grad_allreduce",
        "layers.*.attention.k_norm": "replicated_with_grad_allreduce",
        "layers.*.attention.o_proj": "rowwise",
        "layers.*.feed_forward.gate_proj": "colwise",
        "layers.*.feed_forward.up_proj": "colwise",
        "layers.*.feed_forward.down_proj": "rowwise",
        "exchanges.*.feed_forward.gate_proj": "colwise",
        "exchanges.*.feed_forward.up_proj": "colwise",
        "exchanges.*.feed_forward.down_proj": "rowwise",
    }
    sub_configs_defaults = {
        "text_config": SubConfigSpec(AutoConfig, model_type="heygen_text_transformer", optional=True),
        "video_config": SubConfigSpec(AutoConfig, model_type="conv_video_encoder", optional=True),
        "audio_config": SubConfigSpec(AutoConfig, model_type="heygen_audio_encoder", optional=True),
        "decoder_config": SubConfigSpec(AutoConfig, model_type="heygen_text_transformer", optional=True),
    }

    text_config: dict | PreTrainedConfig | None = None
    video_config: dict | PreTrainedConfig | None = None
    audio_config: dict | PreTrainedConfig | None = None
    decoder_config: dict | PreTrainedConfig | None = None
    fusion: Literal["early", "late", "hybrid"] = "hybrid"
    hidden_size: int = 256
    num_hidden_layers: int = 2
    num_attention_heads: int = 4
    intermediate_size: int | None = None
    num_bottleneck_tokens: int = 4
    fusion_layers: list[int] | tuple[int, ...] | None = None
    modality_dropout: float | int = 0.0
    pooling: Literal["attention", "mean", "first"] = "attention"
    projection_size: int = 256
    contrastive_loss: Literal["softmax", "sigmoid"] = "softmax"
    logit_scale_init: float | int | None = None
    alignment_weight: float | int = 0.0
    consistency_weight: float | int = 0.0
    group_equal_texts: bool = True
    freeze_encoders: bool | list[str] | tuple[str, ...] = False
    label_columns: dict[str, list[str]] | None = None
    classification_loss: Literal["cross_entropy", "focal"] = "cross_entropy"
    focal_gamma: float | int = 2.0
    label_smoothing: float | int = 0.0
    answer_by: Literal["classification", "generation"] = "classification"
    hidden_dropout: float | int = 0.0
    attention_dropout: float | int = 0.0
    classifier_dropout: float | int = 0.0
    hidden_act: str = "silu"
    rms_norm_eps: float = 1e-6
    initializer_range: float | int = 1.0

    def __post_init__(self, **kwargs: object) -> None:
        if self.intermediate_size is None:
            self.intermediate_size = -(-int(self.hidden_size * 8 / 3) // 32) * 32
        if self.fusion_layers is None:
            self.fusion_layers = list(range(self.num_hidden_layers))
        # Lists throughout, so that a configuration read back from JSON equals the one that was saved.
        self.fusion_layers = list(self.fusion_layers)
        if not isinstance(self.freeze_encoders, bool):
            self.freeze_encoders = list(self.freeze_encoders)
        if self.label_columns is not None:
            self.label_columns = {column: [str(name) for name in names] for column, names in self.label_columns.items()}
            several = len(self.label_columns) > 1
            names = [f"{c}={name}" if several else name for c, each in self.label_columns.items() for name in each]
            self.id2label = dict(enumerate(names))
            self.label2id = {name: number for number, name in enumerate(names)}
            kwargs.pop("num_labels", None)  # it is their sum
        super().__post_init__(**kwargs)

    @property
    def modalities(self) -> tuple[str, ...]:
        """Those the model has an encoder for, in the order of the streams."""
        return tuple(name for name in MODALITIES if getattr(self, f"{name}_config") is not None)

    @property
    def frozen_modalities(self) -> tuple[str, ...]:
        if isinstance(self.freeze_encoders, bool):
            return self.modalities if self.freeze_encoders else ()
        return tuple(name for name in self.modalities if name in self.freeze_encoders)

    @property
    def column_sizes(self) -> list[int]:
        """Classes of each label column."""
        if self.label_columns is None:
            return [self.num_labels]
        return [len(names) for names in self.label_columns.values()]

    def validate_architecture(self) -> None:
        """Checks across fields; part of `@strict`'s validation."""
        for name in (
            "hidden_size",
            "num_hidden_layers",
            "num_attention_heads",
            "num_bottleneck_tokens",
            "projection_size",
        ):
            if getattr(self, name) < 1:
                raise ValueError(f"{name}={getattr(self, name)} must be at least 1.")
        if self.hidden_size % self.num_attention_heads:
            raise ValueError(
                f"hidden_size={self.hidden_size} is not a multiple of num_attention_heads={self.num_attention_heads}: "
                "every head needs the same size."
            )
        if self.hidden_size < 8:
            raise ValueError(f"hidden_size={self.hidden_size} has no room for positions: use 8 or more.")
        wrong = [depth for depth in self.fusion_layers if not 0 <= depth < self.num_hidden_layers]
        if wrong or len(set(self.fusion_layers)) < len(self.fusion_layers):
            raise ValueError(
                f"fusion_layers={self.fusion_layers} must be distinct layers in [0, num_hidden_layers="
                f"{self.num_hidden_layers})."
            )
        if self.fusion == "hybrid" and not self.fusion_layers:
            raise ValueError("fusion='hybrid' without fusion_layers never fuses: name a layer, or use fusion='late'.")
        if not isinstance(self.freeze_encoders, bool) and set(self.freeze_encoders) - set(MODALITIES):
            raise ValueError(f"freeze_encoders={self.freeze_encoders} may name {', '.join(MODALITIES)} only.")
        if self.label_columns is not None and not all(self.label_columns.values()):
            raise ValueError(f"label_columns={self.label_columns} must name a column, and classes for each column.")
        if self.label_columns is not None and not self.label_columns:
            raise ValueError("label_columns is empty: name a column and its classes, or leave it out.")
        if self.focal_gamma < 0:
            raise ValueError(f"focal_gamma={self.focal_gamma} must be at least 0.")
        if self.classification_loss == "focal" and self.label_smoothing:
            raise ValueError(f"label_smoothing={self.label_smoothing} is cross-entropy's: set it to 0 with focal loss.")
        for name in (
            "modality_dropout",
            "label_smoothing",
            "hidden_dropout",
            "attention_dropout",
            "classifier_dropout",
        ):
            if not 0 <= getattr(self, name) < 1:
                raise ValueError(f"{name}={getattr(self, name)} must lie in [0, 1).")


__all__ = ["MODALITIES", "MultimodalFusionConfig"]
