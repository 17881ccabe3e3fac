"""Every test starts from the same seeds and leaves the random state as it found it; none uses the network."""

import os

os.environ["HF_HUB_OFFLINE"] = "1"  # read when huggingface_hub is imported
os.environ.setdefault("TOKENIZERS_PARALLELISM", "false")  # the loaders of some tests fork
os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")  # as the command line does

import random
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pytest
import torch

sys.path.append(str(Path(__file__).parent / "diffusers_pipelines"))  # `from tiny_pipelines import tiny_pipeline`
torch.set_num_threads(2)


@pytest.fixture(autouse=True)
def _seeded() -> Iterator[None]:
    states = random.getstate(), np.random.get_state(), torch.get_rng_state()
    random.seed(0)
    np.random.seed(0)
    torch.manual_seed(0)
    yield
    random.setstate(states[0])
    np.random.set_state(states[1])
    torch.set_rng_state(states[2])


@pytest.fixture(scope="session")
def tiny_pipeline_folder(tmp_path_factory: pytest.TempPathFactory) -> Callable[[str], Path]:
    """The folder of a tiny pipeline of diffusers by its name in `tiny_pipelines.TINY_CLIPS`; copy it to change it."""
    folders: dict[str, Path] = {}

    def folder_of(family: str) -> Path:
        from tiny_pipelines import build_tiny_pipeline  # takes seconds to import

        if family not in folders:
            folders[family] = build_tiny_pipeline(family, tmp_path_factory.mktemp("pipelines") / family)
        return folders[family]

    return folder_of
