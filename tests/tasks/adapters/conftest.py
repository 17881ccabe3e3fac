"""A tiny pretrained base on disk, and texts to adapt it to."""

from collections.abc import Callable
from pathlib import Path

import pytest
import torch

from heygen_hf.models.text_transformer import TextTransformerConfig, TextTransformerForCausalLM


@pytest.fixture
def base_folder(tmp_path: Path) -> Path:
    """A saved language model whose parts all take part."""
    torch.manual_seed(0)
    sizes = {"vocab_size": 24, "hidden_size": 64, "num_hidden_layers": 2, "num_attention_heads": 4}
    model = TextTransformerForCausalLM(TextTransformerConfig(**sizes, num_key_value_heads=2, pad_token_id=0))
    with torch.no_grad():
        for weight in model.parameters():
            weight.add_(torch.randn_like(weight) * 0.05)
    model.save_pretrained(tmp_path / "base")
    return tmp_path / "base"


@pytest.fixture
def batch_for() -> Callable[[type], dict[str, torch.Tensor]]:
    """A function that gives a batch for a head: tokens to continue, to tag with their parity, or to classify."""

    def draw(model_class: type) -> dict[str, torch.Tensor]:
        ids = torch.randint(1, 24, (6, 7), generator=torch.Generator().manual_seed(3))
        mask = torch.ones_like(ids)
        mask[:3, 5:] = 0
        ids[:3, 5:] = 0
        labels = {
            "TextTransformerForCausalLM": ids.masked_fill(mask == 0, -100),
            "TextTransformerForTokenClassification": (ids % 3).masked_fill(mask == 0, -100),
            "TextTransformerForSequenceClassification": ids[:, 0] % 3,
        }
        return {"input_ids": ids, "attention_mask": mask, "labels": labels[model_class.__name__]}

    return draw
