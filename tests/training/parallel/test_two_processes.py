"""Two processes are one with twice the batch, whether they share the data alone (DDP) or the weights too (FSDP2)."""

import json
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file

from heygen_hf.models.video_transformer import VideoTransformerForVideoGeneration
from heygen_hf.training import VideoGenerationTrainer

MakeTrainer = Callable[..., VideoGenerationTrainer]
CONFIGS = Path(__file__).parents[3] / "recipes" / "accelerate"
# Float32 sums in another order; AdamW's normalisation enlarges it, and so does Muon's, which is in bfloat16.
TOLERANCE = {"adamw": 2e-5, "muon": 2e-4}


@pytest.fixture(scope="module")
def runs(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder in which `two_processes.py` left its runs, started as a user would."""
    folder = tmp_path_factory.mktemp("two_processes")
    config = CONFIGS / "cpu_2_processes_fsdp2.yaml"
    command = [sys.executable, "-m", "accelerate.commands.launch", "--config_file", str(config)]
    program = Path(__file__).parent / "two_processes.py"
    result = subprocess.run(
        [*command, str(program), str(folder), "muon"], capture_output=True, text=True, timeout=280, check=False
    )
    assert result.returncode == 0, result.stderr[-4000:]
    return folder


@pytest.fixture
def one_process(make_trainer: MakeTrainer) -> Callable[..., Path]:
    def train(**options: object) -> Path:
        trainer = make_trainer("one", **options)
        trainer.train()
        return Path(trainer.args.output_dir)

    return train


def history(run: Path, name: str) -> list[float]:
    state = json.loads((run / "checkpoint-8" / "trainer_state.json").read_text())
    return [entry[name] for entry in state["log_history"] if name in entry]


def assert_same_files(one: Path, other: Path, *, tolerance: float) -> None:
    expected = load_file(other)
    found = load_file(one)
    assert found.keys() == expected.keys()
    for name, weight in expected.items():
        torch.testing.assert_close(found[name], weight, atol=tolerance, rtol=0, msg=name)


def leaves(state: Any, path: str = "") -> Iterator[tuple[str, Any]]:
    if isinstance(state, (dict, list, tuple)):
        items = state.items() if isinstance(state, dict) else enumerate(state)
        for name, value in items:
            yield from leaves(value, f"{path}/{name}")
    else:
        yield path, state


def test_data_parallel_is_a_larger_batch(runs: Path, one_process: Callable[..., Path]) -> None:
    one = one_process()
    assert_same_files(
        runs / "ddp" / "checkpoint-8" / "model.safetensors",
        one / "checkpoint-8" / "model.safetensors",
        tolerance=TOLERANCE["adamw"],
    )
    for name in ("loss", "eval_loss", "grad_norm"):
        torch.testing.assert_close(history(runs / "ddp", name), history(one, name), rtol=1e-4, atol=1e-5)


def test_accumulated_gradients_are_averaged_once_a_step(runs: Path) -> None:
    for process in range(2):
        assert json.loads((runs / "ddp" / f"reductions-{process}.json").read_text()) == 8  # of 16 backward passes


@pytest.mark.parametrize("optimizer", ["muon"])
def test_sharded_weights_train_as_whole_ones(runs: Path, one_process: Callable[..., Path], optimizer: str) -> None:
    one, run = one_process(optimizer=optimizer, ema_decay=0.9), runs / f"fsdp2_{optimizer}"
    for name in ("model", "ema"):
        file = f"checkpoint-8/{name}.safetensors"
        assert_same_files(run / file, one / file, tolerance=TOLERANCE[optimizer])
    for name in ("loss", "eval_loss", "grad_norm"):
        torch.testing.assert_close(history(run, name), history(one, name), rtol=1e-3, atol=1e-4)
    states = [dict(leaves(torch.load(folder / "checkpoint-8" / "optimizer.pt"))) for folder in (run, one)]
    assert states[0].keys() == states[1].keys()
    for name, value in states[1].items():
        torch.testing.assert_close(states[0][name], value, rtol=1e-3, atol=1e-5, msg=name)


@pytest.mark.parametrize("optimizer", ["muon"])
def test_a_sharded_run_resumes_exactly(runs: Path, optimizer: str) -> None:
    straight, resumed = runs / f"fsdp2_{optimizer}", runs / f"fsdp2_{optimizer}_resumed"
    for name in ("model", "ema"):
        file = f"checkpoint-8/{name}.safetensors"
        assert_same_files(resumed / file, straight / file, tolerance=0)
    assert history(resumed, "loss") == history(straight, "loss")
    assert history(resumed, "eval_loss") == history(straight, "eval_loss")
    states = [dict(leaves(torch.load(run / "checkpoint-8" / "optimizer.pt"))) for run in (straight, resumed)]
    for name, value in states[0].items():
        torch.testing.assert_close(states[1][name], value, rtol=0, atol=0, msg=name)


def test_checkpoints_of_a_sharded_run_are_those_of_any(runs: Path, make_trainer: MakeTrainer) -> None:
    checkpoint = runs / "fsdp2_muon" / "checkpoint-6"
    _, info = VideoTransformerForVideoGeneration.from_pretrained(checkpoint, output_loading_info=True)
    assert not any(info.values()), info
    trainer = make_trainer("continued", optimizer="muon", ema_decay=0.9)
    trainer.train(resume_from_checkpoint=str(checkpoint))
    assert_same_files(
        runs / "fsdp2_muon" / "checkpoint-8" / "model.safetensors",
        Path(trainer.args.output_dir) / "checkpoint-8" / "model.safetensors",
        tolerance=TOLERANCE["muon"],
    )


def test_the_main_process_has_the_whole_model_to_sample_and_to_export(runs: Path) -> None:
    run = runs / "fsdp2_muon"
    own, averaged = load_file(run / "own" / "model.safetensors"), load_file(run / "averaged" / "model.safetensors")
    last, averages = (load_file(run / "checkpoint-8" / f"{name}.safetensors") for name in ("model", "ema"))
    for name, weight in last.items():
        assert torch.equal(own[name], weight), name
        assert torch.equal(averaged[name], averages[name]), name
    assert json.loads((run / "own" / "config.json").read_text())["architectures"] == [
        "VideoTransformerForVideoGeneration"
    ]
    sampled = load_file(run / "sampled.safetensors")
    assert sampled.keys() == {"4", "8"}
    assert torch.equal(sampled["8"], averages["transformer.patch_proj.weight"])


def test_bfloat16_is_autocast_over_float32_weights(runs: Path, make_trainer: MakeTrainer) -> None:
    one = make_trainer("one", optimizer="adamw", precision="bf16", max_steps=2, save_strategy="no")
    one.train()
    sharded = load_file(runs / "fsdp2_bf16" / "own" / "model.safetensors")
    # Accelerate's autocast around `forward` is there; the weights are the module's own.
    for name, weight in one.model.named_parameters():
        assert sharded[name].dtype == torch.float32
        torch.testing.assert_close(sharded[name], weight.detach(), atol=2.5e-3, rtol=0, msg=name)
