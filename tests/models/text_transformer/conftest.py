"""Tiny text transformers whose zero-initialised parts take part."""

import pytest
import torch

from heygen_hf.models.text_transformer import TextTransformerConfig


def _tiny_config(**overrides: object) -> TextTransformerConfig:
    values = {"vocab_size": 24, "hidden_size": 32, "num_hidden_layers": 2, "num_attention_heads": 4}
    return TextTransformerConfig(**(values | {"num_key_value_heads": 2, "pad_token_id": 0} | overrides))


@pytest.fixture
def tiny_config():
    return _tiny_config


@pytest.fixture
def scrambled():
    """A function that builds a tiny model in eval mode, every parameter moved off its start."""

    def build(model_class: type, **overrides: object) -> torch.nn.Module:
        torch.manual_seed(0)
        model = model_class(_tiny_config(**overrides)).eval()
        with torch.no_grad():
            for weight in model.parameters():
                weight.add_(torch.randn_like(weight) * 0.1)
        return model

    return build


@pytest.fixture
def token_ids():
    """A function that draws token ids `(batch, tokens)`, none of them padding."""

    def draw(*shape: int) -> torch.Tensor:
        return torch.randint(1, 24, shape, generator=torch.Generator().manual_seed(7))

    return draw
