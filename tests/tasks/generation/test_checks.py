"""What `generate` refuses before anything is computed, each in one line."""

import importlib.util
from pathlib import Path

import pytest
import torch
from typer.testing import CliRunner

from heygen_hf.cli.main import app
from heygen_hf.data import build_tokenizer
from heygen_hf.models.video_transformer import VideoTransformerConfig, VideoTransformerModel
from heygen_hf.pipelines import VideoGenerationPipeline, build_scheduler
from heygen_hf.processing import VideoProcessor
from heygen_hf.tasks.generation.checks import usable_device


def export_model(folder: Path, *, has_captions: bool) -> Path:
    """A model of two 16 × 16 frames."""
    tokenizer = build_tokenizer(["a red 7"]) if has_captions else None
    sizes = {"sample_frames": 2, "sample_height": 16, "sample_width": 16, "patch_size": (2, 8, 8)}
    heads = {"hidden_size": 32, "num_hidden_layers": 1, "num_attention_heads": 1}
    config = VideoTransformerConfig(vocab_size=len(tokenizer) if tokenizer else None, **sizes, **heads)
    processor = VideoProcessor(num_frames=2, height=16, width=16)
    transformer, scheduler = VideoTransformerModel(config), build_scheduler(config)
    VideoGenerationPipeline(transformer, scheduler, processor, tokenizer, num_inference_steps=1).save_pretrained(folder)
    return folder


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return export_model(tmp_path_factory.mktemp("run"), has_captions=True)


def generate(run: Path, output: Path, *arguments: str):
    return CliRunner().invoke(app, ["generate", str(run), "--output-dir", str(output), *arguments])


def test_devices_that_are_not_there() -> None:
    assert usable_device("cpu") == torch.device("cpu")
    with pytest.raises(ValueError, match="device 'foo' is none that torch knows; leave --device out"):
        usable_device("foo")
    with pytest.raises(ValueError, match="leave --device out"):
        usable_device("cuda:99")


def test_layers_and_solvers_that_are_not_there(run: Path, tmp_path: Path) -> None:
    result = generate(run, tmp_path / "out", "--prompt", "a red 7", "--skip-guidance-layer", "99")
    assert str(result.exception) == "--skip-guidance-layer 99: this model has layers 0 to 0"
    assert "generating" not in result.output
    if importlib.util.find_spec("torchdiffeq") is None:
        result = generate(run, tmp_path / "out", "--prompt", "a red 7", "--sampler", "dopri5")
        assert isinstance(result.exception, ImportError)
        assert "generating" not in result.output
    assert not (tmp_path / "out").exists()


def test_a_call_that_fails_leaves_no_empty_folder(run: Path, tmp_path: Path) -> None:
    (tmp_path / "mine").mkdir()
    for name in ("new", "mine"):
        result = generate(run, tmp_path / name, "--prompt", "a red 7", "--guidance-scale", "sound=2")
        assert isinstance(result.exception, ValueError)
    assert [path.name for path in tmp_path.iterdir()] == ["mine"]


def test_a_model_without_captions_takes_no_prompt(tmp_path: Path) -> None:
    run = export_model(tmp_path / "run", has_captions=False)
    result = generate(run, tmp_path / "out", "--prompt", "a red 7")
    assert str(result.exception) == "this model was trained without captions; leave --prompt out"
    result = generate(run, tmp_path / "out")
    assert result.exit_code == 0, result.output
    assert "1 video and metadata.jsonl are in" in result.output


def test_a_folder_that_is_no_run(tmp_path: Path) -> None:
    result = generate(tmp_path, tmp_path / "out", "--prompt", "a red 7")
    assert f"{tmp_path} is no run" in str(result.exception)
    (tmp_path / "recipe.yaml").write_text("task: text_to_video")
    result = generate(tmp_path, tmp_path / "out", "--prompt", "a red 7")
    assert "its training has not finished" in str(result.exception)
