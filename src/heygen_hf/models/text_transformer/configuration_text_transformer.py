"""Configuration of the text transformer."""

from typing import Literal

from huggingface_hub.dataclasses import strict
from transformers import PreTrainedConfig


@strict
class TextTransformerConfig(PreTrainedConfig):
    r"""Configuration of a [`TextTransformerModel`].

    Args:
        vocab_size (`int`, defaults to 32000):
            Number of tokens the model knows; the tokenizer's length, or more.
        hidden_size, num_hidden_layers, num_attention_heads (`int`, default 768, 12, 12):
            Width, depth and heads. The head size (`hidden_size / num_attention_heads`) must be even.
        num_key_value_heads (`int`, *optional*):
            Heads of keys and values, each read by a group of query heads (grouped-query attention, which makes the
            cache smaller); 1 is multi-query attention. By default as many as query heads.
        intermediate_size (`int`, *optional*):
            Inner width of the gated feed-forward; by default 8/3 times `hidden_size`, rounded up to 32.
        hidden_act (`str`, defaults to `"silu"`):
            The feed-forward's activation.
        is_causal (`bool`, defaults to `True`):
            Whether a token reads only itself and what stands before it (a language model), or the whole text (an
            encoder).
        max_position_embeddings (`int`, defaults to 2048):
            Longest text the model is meant for, which transformers' tools read and `generate` warns beyond. Rotary
            positions themselves have no end.
        rms_norm_eps (`float`, defaults to 1e-6), rope_theta (`float`, defaults to 10000.0):
            Norm epsilon; base of the rotary frequencies.
        tie_word_embeddings (`bool`, defaults to `True`):
            Whether the language model's output layer is its token embedding.
        use_cache (`bool`, defaults to `True`):
            Whether a causal model returns its keys and values for the next call. In training it makes none.
        pad_token_id, bos_token_id, eos_token_id (`int`, *optional*):
            The tokenizer's. Sequence classification reads padding from `pad_token_id` when no mask is passed.
        hidden_dropout, attention_dropout, classifier_dropout (`float`, default 0.0):
            Dropout on the embeddings and each residual branch, on attention weights, before a classifier.
        classifier_pooling (`"mean"`, `"last"` or `"first"`, defaults to `"mean"`):
            Which of the text's tokens (never padding) sequence classification reads.
        initializer_range (`float`, defaults to 1.0):
            Scale of the width-aware initialisation (see `_init_weights`).

    Example:
        >>> config = TextTransformerConfig(vocab_size=256, hidden_size=128, num_hidden_layers=4, num_attention_heads=2)
        >>> model = TextTransformerForCausalLM(config)
    """

    model_type = "heygen_text_transformer"
    keys_to_ignore_at_inference = ["past_key_values"]
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
    }

    vocab_size: int = 32_000
    hidden_size: int = 768
    num_hidden_layers: int = 12
    num_attention_heads: int = 12
    num_key_value_heads: int | None = None
    intermediate_size: int | None = None
    hidden_act: str = "silu"
    is_causal: bool = True
    max_position_embeddings: int = 2048
    rms_norm_eps: float = 1e-6
    rope_theta: float | int = 10_000.0
    tie_word_embeddings: bool = True
    use_cache: bool = True
    pad_token_id: int | None = None
    bos_token_id: int | None = None
    eos_token_id: int | list[int] | None = None
    hidden_dropout: float | int = 0.0
    attention_dropout: float | int = 0.0
    classifier_dropout: float | int = 0.0
    classifier_pooling: Literal["mean", "last", "first"] = "mean"
    initializer_range: float | int = 1.0

    def __post_init__(self, **kwargs: object) -> None:
        if self.num_key_value_heads is None:
            self.num_key_value_heads = self.num_attention_heads
        if self.intermediate_size is None:
            self.intermediate_size = -(-int(self.hidden_size * 8 / 3) // 32) * 32
        super().__post_init__(**kwargs)

    def validate_architecture(self) -> None:
        """Checks across fields; part of `@strict`'s validation."""
        for name in ("vocab_size", "hidden_size", "num_hidden_layers", "num_attention_heads", "num_key_value_heads"):
            if getattr(self, name) < 1:
                raise ValueError(f"{name}={getattr(self, name)} must be at least 1.")
        if self.hidden_size % (2 * self.num_attention_heads):
            raise ValueError(
                f"hidden_size={self.hidden_size} is not a multiple of 2 * num_attention_heads="
                f"{2 * self.num_attention_heads}: every head needs the same, even size for rotary positions."
            )
        if self.num_attention_heads % self.num_key_value_heads:
            raise ValueError(
                f"num_attention_heads={self.num_attention_heads} is not a multiple of num_key_value_heads="
                f"{self.num_key_value_heads}: every key head is read by the same number of query heads."
            )
        if self.is_causal and self.classifier_pooling == "first":
            raise ValueError(
                "classifier_pooling='first' reads nothing but the first token in a causal model: use 'last' or "
                "'mean', or is_causal=False."
            )
        if self.pad_token_id is not None and not 0 <= self.pad_token_id < self.vocab_size:
            raise ValueError(
                f"pad_token_id={self.pad_token_id} is outside [0, vocab_size={self.vocab_size}): set vocab_size to "
                "the tokenizer's length."
            )
        for name in ("hidden_dropout", "attention_dropout", "classifier_dropout"):
            if not 0 <= getattr(self, name) < 1:
                raise ValueError(f"{name}={getattr(self, name)} must lie in [0, 1).")


__all__ = ["TextTransformerConfig"]
