"""A tiny recipe of moving digits with a search section."""

import gc
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
import yaml

from heygen_hf.data import render_moving_digits


@pytest.fixture(scope="module", autouse=True)
def imported_objects_stand_aside() -> Iterator[None]:
    """Each trial collects garbage several times, which takes half a second where every module is looked through."""
    gc.freeze()
    yield
    gc.unfreeze()


@pytest.fixture(scope="module")
def digits(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("digits")
    render_moving_digits(folder / "digits", num_train=32, num_validation=8, num_test=8, progress=False)
    return folder


@pytest.fixture
def write_recipe(digits: Path, tmp_path: Path) -> Callable[..., Path]:
    """`write_recipe(search={…}, model={…})` → the recipe's path; its trials take a moment."""

    def write(search: dict | None = None, **sections: dict) -> Path:
        recipe = {
            "task": "text_to_video",
            "output_dir": str(tmp_path / "outputs" / "tiny"),
            "model": {
                "patch_size": [8, 8, 8],
                "hidden_size": 16,
                "num_hidden_layers": 1,
                "num_attention_heads": 1,
                **sections.get("model", {}),
            },
            "data": {
                "train": str(digits / "digits"),
                "cache_dir": str(digits / "cache"),
                **sections.get("data", {}),
            },
            "processor": {"num_frames": 8, "height": 32, "width": 32, "frame_position": "start"},
            "training": {
                "max_steps": 4,
                "per_device_train_batch_size": 4,
                "max_eval_clips": 4,
                "eval_timesteps": [0.5],
                "precision": "fp32",
                **sections.get("training", {}),
            },
        }
        if search is not None:
            recipe["search"] = {"steps": 2, "evaluations": 2, **search}
        path = tmp_path / "tiny.yaml"
        path.write_text(yaml.safe_dump(recipe))
        return path

    return write
