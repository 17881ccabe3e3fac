"""Tiny runs with the real clips of their recipes, made once a module."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
import yaml

from heygen_hf.data import build_tokenizer, render_moving_digits
from heygen_hf.models.video_transformer import VideoTransformerConfig, VideoTransformerModel
from heygen_hf.pipelines import VideoGenerationPipeline, build_scheduler
from heygen_hf.processing import VideoProcessor
from heygen_hf.tasks.recipe import load_recipe
from heygen_hf.tasks.registry import task_module

CAPTIONS = ["a red 7 moves left", "a blue 1 moves up"]


@pytest.fixture(scope="package")
def digits(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("digits") / "digits"
    render_moving_digits(folder, num_train=24, num_validation=8, num_test=12, progress=False)
    return folder


@pytest.fixture(scope="package")
def run(digits: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A generator that goes on from given frames, too, as far as checking needs it."""
    folder = tmp_path_factory.mktemp("runs") / "tiny"
    torch.manual_seed(0)
    tokenizer = build_tokenizer(CAPTIONS)
    config = VideoTransformerConfig(
        vocab_size=len(tokenizer),
        hidden_size=32,
        num_hidden_layers=1,
        num_attention_heads=1,
        patch_size=(2, 8, 8),
        sample_frames=4,
        sample_height=32,
        sample_width=32,
    )
    model = VideoTransformerModel(config).eval()
    with torch.no_grad():
        for parameter in model.parameters():  # a fresh model's gates are 0: its videos would be those of no prompt
            parameter.add_(0.2 * torch.randn_like(parameter))
    VideoGenerationPipeline(
        model,
        build_scheduler(config),
        VideoProcessor(num_frames=4, height=32, width=32, frame_position="start"),
        tokenizer,
        num_inference_steps=2,
    ).save_pretrained(folder)
    recipe = {
        "task": "text_to_video",
        "output_dir": str(folder),
        "data": data_section(digits) | {"label_columns": ["direction"]},
        "processor": {"num_frames": 4, "height": 32, "width": 32, "frame_position": "start"},
        "training": {"precision": "fp32"},
        "evaluation": {"seed": 40, "judge_max_steps": 2},
    }
    (folder / "recipe.yaml").write_text(yaml.safe_dump(recipe))
    return folder


@pytest.fixture(scope="package")
def classifier_run(digits: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An untrained classifier of videos."""
    folder = tmp_path_factory.mktemp("runs") / "classifier"
    recipe = {
        "task": "video_classification",
        "output_dir": str(folder),
        "model": {"hidden_sizes": [8, 8], "strides": [[2, 2], [1, 2]]},
        "data": data_section(digits) | {"label_columns": ["direction"]},
        "processor": {"num_frames": 4, "height": 32, "width": 32, "frame_position": "start"},
        "training": {"use_cpu": True},
    }
    return _save_untrained(recipe, folder)


def data_section(digits: Path) -> dict[str, Any]:
    return {"train": str(digits), "cache_dir": str(digits.parent / "cache")}


def _save_untrained(recipe: dict[str, Any], folder: Path) -> Path:
    """What training leaves, without training."""
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "recipe.yaml").write_text(yaml.safe_dump(recipe))
    read = load_recipe(folder / "recipe.yaml")
    parts = task_module(read.task).TASK.build(read, exported=None, is_main=False)
    torch.manual_seed(0)
    parts.build_model().eval().save_pretrained(folder)
    for processor in parts.processors:
        processor.save_pretrained(str(folder))
    return folder


@pytest.fixture
def save_untrained() -> Callable[..., Path]:
    """`(recipe, folder)`: what training leaves, without training."""
    return _save_untrained


@pytest.fixture(autouse=True)
def _own_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HEYGEN_HF_CACHE", str(tmp_path / "cache"))
