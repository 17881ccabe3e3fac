"""How many tokens a pretrained model can read: those that learned a vector for each place have no more."""

from typing import Any

import torch
from transformers import AutoConfig, PreTrainedModel


def most_positions(model_class: type[PreTrainedModel], pretrained: str | None) -> int | None:
    """Places of a pretrained model's table of positions; None where it has no table, as with rotary positions."""
    if pretrained is None:
        return None
    config = AutoConfig.from_pretrained(pretrained).get_text_config()
    stated = getattr(config, "max_position_embeddings", None)
    try:
        with torch.device("meta"):
            model = model_class(AutoConfig.from_pretrained(pretrained))
    except (NotImplementedError, RuntimeError):  # it computes with its weights as it is made
        return stated
    found = [_places(table) for name, table in model.named_modules() if _is_position_table(name, table)]
    return min(found if stated is None else [*found, stated]) if found else None


def check_length(length: int, *, field: str, places: int | None, pretrained: str | None) -> None:
    """Refuse rows that are longer than a model's table of positions.

    Raises:
        ValueError: they are.
    """
    if places is not None and length > places:
        raise ValueError(
            f"{field} is {length} and model.pretrained={pretrained} knows {places} positions; set it to {places} or "
            "less"
        )


def _is_position_table(name: str, module: Any) -> bool:
    last = name.rpartition(".")[2]
    return isinstance(module, torch.nn.Embedding) and (last == "wpe" or "position" in last)


def _places(table: torch.nn.Embedding) -> int:
    # RoBERTa's begin after the number of its padding token.
    return table.num_embeddings - (0 if table.padding_idx is None else table.padding_idx + 1)
