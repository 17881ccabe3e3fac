"""The text transformer keeps the shared contract, causal and bidirectional, with grouped queries."""

import torch
from model_contract import ModelContract
from transformers import AutoModelForCausalLM, AutoModelForSequenceClassification, AutoModelForTokenClassification

from heygen_hf.models.text_transformer import (
    TextTransformerConfig,
    TextTransformerForCausalLM,
    TextTransformerForSequenceClassification,
    TextTransformerForTokenClassification,
    TextTransformerModel,
)


class TestCausalTextTransformer(ModelContract):
    config_class = TextTransformerConfig
    base_class = TextTransformerModel
    model_classes = (
        TextTransformerModel,
        TextTransformerForCausalLM,
        TextTransformerForSequenceClassification,
        TextTransformerForTokenClassification,
    )
    auto_classes = {  # noqa: RUF012
        AutoModelForCausalLM: TextTransformerForCausalLM,
        AutoModelForSequenceClassification: TextTransformerForSequenceClassification,
        AutoModelForTokenClassification: TextTransformerForTokenClassification,
    }
    has_attention = True

    def tiny_config(self, **overrides):
        values = {
            "vocab_size": 20,
            "hidden_size": 32,
            "num_hidden_layers": 2,
            "num_attention_heads": 4,
            "num_key_value_heads": 2,
            "num_labels": 3,
            "pad_token_id": 0,
        }
        return TextTransformerConfig(**(values | overrides))

    def inputs(self, model_class):
        generator = torch.Generator().manual_seed(0)
        inputs = {
            "input_ids": torch.randint(1, 20, (3, 6), generator=generator),
            "attention_mask": torch.tensor([[1] * 6, [1, 1, 1, 1, 0, 0], [1] * 6]),
        }
        if model_class is TextTransformerForCausalLM:
            inputs["labels"] = inputs["input_ids"].masked_fill(inputs["attention_mask"] == 0, -100)
        elif model_class is TextTransformerForSequenceClassification:
            inputs["labels"] = torch.tensor([0, 2, 1])
        elif model_class is TextTransformerForTokenClassification:
            inputs["labels"] = (inputs["input_ids"] % 3).masked_fill(inputs["attention_mask"] == 0, -100)
        return inputs


class TestBidirectionalTextTransformer(TestCausalTextTransformer):
    model_classes = (
        TextTransformerModel,
        TextTransformerForSequenceClassification,
        TextTransformerForTokenClassification,
    )
    auto_classes = {  # noqa: RUF012
        AutoModelForSequenceClassification: TextTransformerForSequenceClassification,
        AutoModelForTokenClassification: TextTransformerForTokenClassification,
    }

    def tiny_config(self, **overrides):
        return super().tiny_config(**({"is_causal": False, "classifier_pooling": "first"} | overrides))


class TestUntiedTextTransformer(TestCausalTextTransformer):
    model_classes = (TextTransformerForCausalLM,)

    def tiny_config(self, **overrides):
        return super().tiny_config(**({"tie_word_embeddings": False, "num_key_value_heads": 1} | overrides))
