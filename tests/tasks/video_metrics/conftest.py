"""A tiny finished run with the real clips of its recipe, made once a module."""

from pathlib import Path

import pytest
import torch
import yaml

from heygen_hf.data import build_tokenizer, render_moving_digits
from heygen_hf.models.video_transformer import VideoTransformerConfig, VideoTransformerModel
from heygen_hf.pipelines import VideoGenerationPipeline, build_scheduler
from heygen_hf.processing import VideoProcessor

CAPTIONS = ["a red 7 moves left", "a blue 1 moves up"]


@pytest.fixture(scope="module")
def digits(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("digits") / "digits"
    render_moving_digits(folder, num_train=8, num_validation=4, num_test=12, progress=False)
    return folder


@pytest.fixture(scope="module")
def run(digits: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """What training leaves, as far as measuring needs it."""
    folder = tmp_path_factory.mktemp("runs") / "tiny"
    torch.manual_seed(0)
    tokenizer = build_tokenizer(CAPTIONS)
    config = VideoTransformerConfig(
        vocab_size=len(tokenizer),
        hidden_size=32,
        num_hidden_layers=1,
        num_attention_heads=1,
        patch_size=(4, 8, 8),
        sample_frames=4,
        sample_height=32,
        sample_width=32,
    )
    VideoGenerationPipeline(
        VideoTransformerModel(config).eval(),
        build_scheduler(config),
        VideoProcessor(num_frames=4, height=32, width=32, frame_position="start"),
        tokenizer,
        num_inference_steps=2,
    ).save_pretrained(folder)
    recipe = {
        "task": "text_to_video",
        "output_dir": str(folder),
        "data": {"train": str(digits), "cache_dir": str(digits.parent / "cache")},
        "training": {"precision": "fp32"},
        "evaluation": {"seed": 40},
    }
    (folder / "recipe.yaml").write_text(yaml.safe_dump(recipe))
    return folder


@pytest.fixture(autouse=True)
def _own_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HEYGEN_HF_CACHE", str(tmp_path / "cache"))
