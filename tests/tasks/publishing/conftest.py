"""A tiny finished run, a copy of it for each test, and a small Hub on loopback."""

import json
import shutil
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file, save_file

sys.path.insert(0, str(Path(__file__).parents[2] / "hub"))  # `from loopback_hub import LoopbackHub`

from loopback_hub import LoopbackHub

from heygen_hf.data import build_tokenizer
from heygen_hf.hub import CardFacts, SampleImage, write_card
from heygen_hf.models.video_transformer import VideoTransformerConfig, VideoTransformerModel
from heygen_hf.pipelines import VideoGenerationPipeline, build_scheduler
from heygen_hf.processing import VideoProcessor
from heygen_hf.tasks.run_folder import RunFolder
from heygen_hf.tasks.text_to_video.export import export_run
from heygen_hf.training.checkpoints.files import publish_checkpoint

CAPTIONS = ["a red 7 moves left", "a blue 1 moves up"]


def write_run(folder: Path) -> Path:
    """What training leaves: the export, a card, and a checkpoint whose average was exported."""
    torch.manual_seed(0)
    tokenizer = build_tokenizer(CAPTIONS)
    config = VideoTransformerConfig(
        vocab_size=len(tokenizer),
        hidden_size=32,
        num_hidden_layers=2,
        num_attention_heads=2,
        patch_size=(2, 4, 4),
        sample_frames=4,
        sample_height=8,
        sample_width=8,
    )
    transformer = VideoTransformerModel(config).eval()
    with torch.no_grad():
        for weight in transformer.parameters():
            weight.add_(torch.randn_like(weight) * 0.1)
    pipeline = VideoGenerationPipeline(
        transformer,
        build_scheduler(config),
        VideoProcessor(num_frames=4, height=8, width=8),
        tokenizer,
        num_inference_steps=2,
        guidance_scale=2.0,
    )
    pipeline.set_progress_bar_config(disable=True)
    export_run(RunFolder(folder), pipeline, prompts=CAPTIONS, seed=0, batch_size=2, precision="no")
    average = {f"transformer.{name}": weight.detach().clone() for name, weight in transformer.named_parameters()}
    staged = folder / "checkpoints" / ".staging" / "checkpoint-4"
    staged.mkdir(parents=True)
    save_file(average, str(staged / "ema.safetensors"))
    save_file({name: weight + 0.01 for name, weight in average.items()}, str(staged / "model.safetensors"))
    publish_checkpoint(staged, folder / "checkpoints" / "checkpoint-4")
    (folder / "recipe.yaml").write_text("task: text_to_video\n")
    samples = [SampleImage(path="samples/samples.png", prompts=CAPTIONS)]
    write_card(folder, CardFacts(title="Tiny digits", licence="apache-2.0", samples=samples))
    return folder


@pytest.fixture(scope="session")
def finished_run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_run(tmp_path_factory.mktemp("runs") / "tiny_digits")


@pytest.fixture
def run(finished_run: Path, tmp_path: Path) -> Path:
    """A copy that a test may spoil."""
    return Path(shutil.copytree(finished_run, tmp_path / "tiny_digits"))


@pytest.fixture
def unrecorded_run(run: Path) -> Path:
    """The same from an export that wrote no hashes, so that each fault has to be seen by itself."""
    record = run / "reference.json"
    record.write_text(json.dumps({k: v for k, v in json.loads(record.read_text()).items() if k != "files"}))
    return run


@pytest.fixture
def change_weights():
    """Rewrites the network's weights by a function of the dictionary."""

    def change(run: Path, how) -> None:
        path = run / "transformer" / "model.safetensors"
        save_file(how(load_file(path)), str(path), metadata={"format": "pt"})

    return change


@pytest.fixture
def hub(monkeypatch: pytest.MonkeyPatch) -> Iterator[LoopbackHub]:
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", False)
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_DISABLE_XET", True)
    monkeypatch.setenv("HF_HUB_DISABLE_XET", "1")  # for the process that loads
    with LoopbackHub() as running:
        yield running
