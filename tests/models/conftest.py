"""Makes the shared contract importable and gives every model test its own, restored random state."""

import sys
from pathlib import Path

import pytest
import torch

sys.path.insert(0, str(Path(__file__).parent))  # `from model_contract import ModelContract`
pytest.register_assert_rewrite("model_contract")


@pytest.fixture(autouse=True)
def _fixed_and_restored_rng():
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        yield
