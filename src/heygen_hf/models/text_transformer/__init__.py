"""The text transformer: causal or bidirectional, with its language model and its classifiers."""

from heygen_hf.models.text_transformer.configuration_text_transformer import TextTransformerConfig
from heygen_hf.models.text_transformer.modeling_text_transformer import (
    TextTransformerForCausalLM,
    TextTransformerForSequenceClassification,
    TextTransformerForTokenClassification,
    TextTransformerModel,
    TextTransformerPreTrainedModel,
)

__all__ = [
    "TextTransformerConfig",
    "TextTransformerForCausalLM",
    "TextTransformerForSequenceClassification",
    "TextTransformerForTokenClassification",
    "TextTransformerModel",
    "TextTransformerPreTrainedModel",
]
