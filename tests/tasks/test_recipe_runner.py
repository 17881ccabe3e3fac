"""Running a recipe: what reaches the task, and that several CPU processes make one run."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from heygen_hf.tasks import TASKS, run_recipe

ROOT = Path(__file__).resolve().parents[2]

TOY_TASK = """
import json, os
from pathlib import Path
from transformers import TrainingArguments

SECTIONS = {"training": TrainingArguments}

def run(recipe, *, resume, overwrite, command):
    arguments = TrainingArguments(output_dir=str(recipe.output_dir), report_to=[], **recipe.training)
    facts = {"steps": arguments.max_steps, "resume": resume, "overwrite": overwrite, "command": command,
             "world_size": arguments.world_size, "device": arguments.device.type}
    recipe.output_dir.mkdir(parents=True, exist_ok=True)
    (recipe.output_dir / f"rank-{arguments.process_index}.json").write_text(json.dumps(facts))
    return facts
"""

STARTER = """
import sys
sys.modules |= {"peft": None, "bitsandbytes": None}  # transformers would import them for seconds
from heygen_hf.tasks import TASKS, run_recipe
TASKS["toy"] = "toy_task"
run_recipe(sys.argv[1], sys.argv[2:])
"""


@pytest.fixture
def toy_recipe(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    (tmp_path / "toy_task.py").write_text(TOY_TASK)
    (tmp_path / "starter.py").write_text(STARTER)
    recipe = tmp_path / "toy.yaml"
    recipe.write_text(f"task: toy\noutput_dir: {tmp_path / 'run'}\n")
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.setitem(TASKS, "toy", "toy_task")
    yield recipe
    sys.modules.pop("toy_task", None)


def test_the_task_gets_the_recipe_and_the_options(toy_recipe: Path) -> None:
    facts = run_recipe(
        toy_recipe, ["training.max_steps=3", "training.use_cpu=true"], resume="auto", command=("heygen-hf",)
    )
    assert facts["steps"] == 3
    assert facts["resume"] == "auto"
    assert facts["overwrite"] is False
    assert facts["command"] == ["heygen-hf"]


def test_resume_none_is_no_resume(toy_recipe: Path) -> None:
    assert run_recipe(toy_recipe, ["training.use_cpu=true"], resume="none", overwrite=True)["resume"] is None


def test_resume_and_overwrite_contradict(toy_recipe: Path) -> None:
    with pytest.raises(ValueError, match="give one of them"):
        run_recipe(toy_recipe, resume="auto", overwrite=True)
    with pytest.raises(FileNotFoundError, match="no checkpoint folder at nowhere"):
        run_recipe(toy_recipe, resume="nowhere")


def test_two_cpu_processes_are_one_run(toy_recipe: Path, tmp_path: Path) -> None:
    config = ROOT / "recipes" / "accelerate" / "cpu_2_processes.yaml"
    launch = [sys.executable, "-m", "accelerate.commands.launch", "--config_file", str(config)]
    result = subprocess.run(
        [*launch, "-m", "starter", str(toy_recipe)],
        cwd=tmp_path,
        env={**os.environ, "PYTHONPATH": str(tmp_path), "OMP_NUM_THREADS": "1"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert result.returncode == 0, result.stderr[-2000:]
    assert sorted(file.name for file in (tmp_path / "run").iterdir()) == ["rank-0.json", "rank-1.json"]
    assert '"world_size": 2' in (tmp_path / "run" / "rank-1.json").read_text()
    assert '"device": "cpu"' in (tmp_path / "run" / "rank-1.json").read_text()


def test_a_model_that_is_not_here_is_not_looked_for_on_the_hub(
    toy_recipe: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with (tmp_path / "toy_task.py").open("a") as file:
        file.write('SECTIONS["model"] = dict[str, str]\n')
    monkeypatch.chdir(tmp_path)
    with pytest.raises(ValueError, match=r"model\.autoencoder: no folder outputs/autoencoder; where a recipe names it"):
        run_recipe(toy_recipe, ["model.autoencoder=outputs/autoencoder"])


def test_a_run_that_fails_leaves_no_empty_folder(toy_recipe: Path, tmp_path: Path) -> None:
    with (tmp_path / "toy_task.py").open("a") as file:
        file.write("def run(recipe, **_):\n    recipe.output_dir.mkdir(parents=True)\n    raise ValueError('no')\n")
    with pytest.raises(ValueError, match="no"):
        run_recipe(toy_recipe, [f"output_dir={tmp_path / 'outputs' / 'run'}"])
    assert not (tmp_path / "outputs").exists()
