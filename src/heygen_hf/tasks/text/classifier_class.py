"""Which class a classifier of texts or words is."""

from typing import Any

from transformers import AutoConfig, PreTrainedModel

from heygen_hf.models.text_transformer import TextTransformerConfig


def classifier_class(
    ours: type[PreTrainedModel], auto: Any, pretrained: str | None, *, does: str
) -> type[PreTrainedModel]:
    """The text transformer's class, or that of whatever `model.pretrained` is.

    Args:
        ours: for no pretrained model, or any text transformer.
        auto: the Auto class of the head.
        pretrained: a folder or Hub repository.
        does: what the head does, as "classifies texts".

    Raises:
        ValueError: it is no model, or none with such a head.
    """
    if pretrained is None:
        return ours
    try:
        config = AutoConfig.from_pretrained(pretrained)
        return ours if isinstance(config, TextTransformerConfig) else auto._model_mapping[type(config)]
    except (OSError, ValueError, KeyError) as error:
        first_line = (str(error).strip().splitlines() or [""])[0]
        raise ValueError(f"model.pretrained={pretrained} is no model that {does} ({first_line})") from error
