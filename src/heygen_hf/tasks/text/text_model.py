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
        attn_implementation: "auto" takes "matmul" for short rows on a CPU and "sdpa" elsewhere; for pretrained models
            of other kinds, what transformers takes.
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
        model = _load_pretrained(model_class, pretrained, decided, values, loading or {})
        # Classifiers of texts that read the last token find it by this.
        model.config.get_text_config().pad_token_id = tokenizer.pad_token_id
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
        if not isinstance(model.config, TextTransformerConfig):
            return model
        attention = "matmul" if not torch.cuda.is_available() and max_length <= 1024 else "sdpa"
    model.set_attn_implementation(attention)
    return model


def _load_pretrained(
    model_class: type[ModelType],
    pretrained: str,
    decided: Mapping[str, Any],
    values: Mapping[str, Any],
    loading: Mapping[str, Any],
) -> ModelType:
    """The pretrained model in float32; a head that is missing, of another size or of other classes starts anew."""
    config = AutoConfig.from_pretrained(pretrained)
    # `is_causal` is a field of few: others are what their class is.
    fields = {name: value for name, value in decided.items() if hasattr(config, name)} | dict(values)
    options: dict[str, Any] = {"dtype": torch.float32, **loading}
    if "id2label" not in decided:
        return model_class.from_pretrained(pretrained, **fields, **options)
    model, loaded = model_class.from_pretrained(
        pretrained, **fields, **options, ignore_mismatched_sizes=True, output_loading_info=True
    )
    mismatched = [entry[0] if isinstance(entry, tuple) else entry for entry in loaded["mismatched_keys"]]
    of_body = sorted(name for name in mismatched if name.startswith(f"{model.base_model_prefix}."))
    if of_body:
        raise ValueError(
            f"model.pretrained={pretrained} has {of_body[0]} in another size than its own config.json says"
        )
    head = _last_layer(model)
    is_new = bool(head) and any(name.startswith(f"{head}.") for name in [*mismatched, *loaded["missing_keys"]])
    if is_new or dict(config.id2label) != decided["id2label"]:
        print(f"model.pretrained={pretrained} was not trained for these classes: its last layer starts anew")
        if head and not is_new:  # one of the same size, but of other classes, is no better start than a random one
            layer = model.get_submodule(head)
            torch.nn.init.normal_(layer.weight, std=0.02)
            if layer.bias is not None:
                torch.nn.init.zeros_(layer.bias)
    return model


def _last_layer(model: PreTrainedModel) -> str:
    """The name of the layer that gives the classes, "" where it is none that we know."""
    body = f"{model.base_model_prefix}."
    found = [
        name
        for name, layer in model.named_modules()
        if type(layer) is torch.nn.Linear and layer.out_features == model.num_labels and not name.startswith(body)
    ]
    return found[-1] if found else ""


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
