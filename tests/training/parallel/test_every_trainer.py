"""Every trainer on two processes, sharing the data (DDP) or the weights too (FSDP2), is that trainer on one."""

import json
import subprocess
import sys
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file

HERE = Path(__file__).parent
CONFIG = HERE.parents[2] / "recipes" / "accelerate" / "cpu_2_processes_fsdp2.yaml"
NAMES = ("given_frames", "mean_flow", "distillation", "autoencoder", "language_model")

pytestmark = [pytest.mark.slow, pytest.mark.timeout(600)]


@pytest.fixture(scope="module")
def runs(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("every_trainer")
    command = [sys.executable, "-m", "accelerate.commands.launch", "--config_file", str(CONFIG)]
    result = subprocess.run(
        [*command, str(HERE / "every_trainer.py"), str(folder), *NAMES],
        capture_output=True,
        text=True,
        timeout=500,
        check=False,
    )
    assert result.returncode == 0, result.stderr[-4000:]
    return folder


@pytest.mark.parametrize("engine", ["ddp", "fsdp2"])
@pytest.mark.parametrize("name", NAMES)
def test_two_processes_are_one(
    runs: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str, engine: str
) -> None:
    monkeypatch.syspath_prepend(HERE)
    from small_trainers import train

    train(name, tmp_path, batch_size=4)
    for file in ("model.safetensors", "ema.safetensors"):
        expected = load_file(tmp_path / "checkpoint-4" / file)
        found = load_file(runs / engine / name / "checkpoint-4" / file)
        assert found.keys() == expected.keys()
        for weight, value in expected.items():
            torch.testing.assert_close(found[weight], value, atol=1e-4, rtol=0, msg=f"{file}: {weight}")
    histories = [
        json.loads((run / "checkpoint-4" / "trainer_state.json").read_text())["log_history"]
        for run in (tmp_path, runs / engine / name)
    ]
    for key in ("loss", "eval_loss"):
        one, two = ([entry[key] for entry in history if key in entry] for history in histories)
        assert two == pytest.approx(one, rel=2e-3, abs=1e-4), key
