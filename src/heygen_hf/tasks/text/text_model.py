"""The `model` section of the text tasks, and the model it describes."""

from collections.abc import Mapping
from typing import Any, TypeVar

import torch
from huggingface_hub.dataclasses import strict
from huggingface_hub.errors import StrictDataclassError
from transformers import AutoConfig, PreTrainedModel, PreTrainedTokenizerBase

from heygen_hf.models.text_transformer import TextTransformerConfig

ModelType = TypeVar("ModelType", bound=PreTrainedModel)

# Keys of the section that are no fields of the configuration.
_OWN_KEYS = ("pretrained", "attn_implementation")
# Fields that pretrained weights decide.
_SIZES = (
    "vocab_size",
    "hidden_size",
    "num_hidden_layers",
    "num_attention_heads",
    "num_key_value_heads",
    "intermediate_size",
)


@strict
class TextModelSection(TextTransformerConfig):
    """The fields of `TextTransformerConfig`, and where to start from.

    `vocab_size` and the numbers of special tokens are filled in from the tokenizer when left out.

    Args:
        pretrained: a folder or Hub repository to start from instead of random weights.
        attn_implementation: "auto" takes "matmul" for short rows on a CPU and "sdpa" elsewhere.
    """

    model_type = "heygen_text_recipe"

    pretrained: str | None = None
    attn_implementation: str = "auto"


def build_text_model(
    model_class: type[ModelType],
    section: dict[str, Any] | None,
    *,
    tokenizer: PreTrainedTokenizerBase,
    max_length: int,
    loading: Mapping[str, Any] | None = None,
    **decided: Any,
) -> ModelType:
    """A fresh or pretrained model for the recipe's `model` section.

    Args:
        model_class: which head.
        section: the keys the recipe gives.
        tokenizer: its length and special tokens.
        max_length: tokens of a row; the configuration's `max_position_embeddings` unless the section says otherwise.
        loading: further options of `from_pretrained`, where there is a pretrained model.
        decided: fields of the configuration that the task decides, such as `id2label` and `is_causal`.

    Raises:
        ValueError: a field that cannot be, or a vocabulary smaller than the tokenizer's.
    """
    section = dict(section or {})
    check_vocabulary(section, tokenizer)
    values = {name: value for name, value in section.items() if value is not None and name not in _OWN_KEYS}
    pretrained = section.get("pretrained")
    if pretrained is not None:
        _check_pretrained(pretrained, values)
        model = model_class.from_pretrained(pretrained, **(decided | values), **(loading or {}))
    else:
        filled = {
            "vocab_size": len(tokenizer),
            "pad_token_id": tokenizer.pad_token_id,
            "bos_token_id": tokenizer.bos_token_id,
            "eos_token_id": tokenizer.eos_token_id,
            "max_position_embeddings": max_length,
        }
        try:
            model = model_class(TextTransformerConfig(**(filled | decided | values)))
        except StrictDataclassError as error:
            raise ValueError(f"recipe section model: {error.__cause__ or error}") from error
    attention = section.get("attn_implementation") or "auto"
    if attention == "auto":
        attention = "matmul" if not torch.cuda.is_available() and max_length <= 1024 else "sdpa"
    model.set_attn_implementation(attention)
    return model


def _check_pretrained(pretrained: str, values: Mapping[str, Any]) -> None:
    """Refuse fields that the pretrained model does not have, and sizes that are not its own."""
    config = AutoConfig.from_pretrained(pretrained)
    for name, value in values.items():
        if not hasattr(config, name):
            raise ValueError(
                f"model.{name} is no field of {type(config).__name__}, which model.pretrained={pretrained} has; leave "
                "the key out of the recipe"
            )
        if name in _SIZES and getattr(config, name) != value:
            raise ValueError(
                f"model.{name} is {value} and that of model.pretrained={pretrained} is {getattr(config, name)}; leave "
                "the key out of the recipe"
            )


def check_vocabulary(section: dict[str, Any] | None, tokenizer: PreTrainedTokenizerBase) -> None:
    """Refuse a model that does not know every token of the tokenizer.

    Raises:
        ValueError: `vocab_size`, given or the pretrained model's, is smaller than the tokenizer.
    """
    section = section or {}
    pretrained, known = section.get("pretrained"), section.get("vocab_size")
    if pretrained is not None:
        known = AutoConfig.from_pretrained(pretrained).vocab_size
    if known is not None and known < len(tokenizer):
        where = f"model.pretrained={pretrained} knows" if pretrained is not None else "model.vocab_size is"
        remedy = "set data.tokenizer to the pretrained model's own" if pretrained else "leave model.vocab_size out"
        raise ValueError(f"{where} {known} tokens and the tokenizer has {len(tokenizer)}; {remedy}")
