"""Makes the tiny fusion networks importable."""

import sys
from pathlib import Path

import pytest
import torch
from transformers import PreTrainedModel

sys.path.insert(0, str(Path(__file__).parent))  # `from tiny_fusion import ...`

from tiny_fusion import build_config, build_inputs


@pytest.fixture
def inputs():
    return build_inputs()


@pytest.fixture
def scrambled():
    """A function that builds a tiny model in eval mode, every parameter moved off its start."""

    def build(model_class: type[PreTrainedModel], **overrides: object) -> PreTrainedModel:
        torch.manual_seed(0)
        model = model_class(build_config(**overrides)).eval()
        with torch.no_grad():
            for weight in model.parameters():
                weight.add_(torch.randn_like(weight) * 0.1)
        return model

    return build
