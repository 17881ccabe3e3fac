import csv
import json
import os
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from heygen_hf.tasks import load_recipe
from heygen_hf.tasks.search import search_recipe

optuna = pytest.importorskip("optuna")
SPACE = {
    "training.learning_rate": {"low": 1e-4, "high": 1e-2, "log": True},
    "model.num_hidden_layers": {"choices": [1, 2]},
}


def trials_of(folder: Path) -> list[dict]:
    return json.loads((folder / "trials.json").read_text())["trials"]


def test_a_search_trains_architectures_and_writes_what_came_out(write_recipe, tmp_path, capsys) -> None:
    pytest.importorskip("matplotlib")
    recipe = write_recipe({"space": SPACE, "sampler": "random", "pruner": "none"})

    folder = search_recipe(recipe, trials=4)

    assert folder == tmp_path / "outputs" / "tiny_search"
    rows = trials_of(folder)
    assert [row["state"] for row in rows] == ["completed"] * 4
    assert {row["values"]["model.num_hidden_layers"] for row in rows} == {1, 2}
    sizes = {row["values"]["model.num_hidden_layers"]: row["num_parameters"] for row in rows}
    assert sizes[1] < sizes[2]
    assert {row["steps"] for row in rows} == {2}
    best = min(rows, key=lambda row: row["value"])
    found = load_recipe(folder / "best.yaml")
    assert found.training["learning_rate"] == best["values"]["training.learning_rate"]
    assert (found.training["max_steps"], found.search) == (4, None)
    assert found.output_dir == tmp_path / "outputs" / "tiny_best"
    with (folder / "trials.csv").open() as file:
        assert [float(row["value"]) for row in csv.DictReader(file)] == [row["value"] for row in rows]
    assert (folder / "plots.png").read_bytes().startswith(b"\x89PNG")
    assert (folder / "trials" / "trial-0003" / "log.jsonl").is_file()
    assert not list(folder.rglob("checkpoint*"))
    said = capsys.readouterr().out
    assert f"heygen-hf train {folder / 'best.yaml'}" in said
    assert "4 completed" in said

    # It goes on, with other values than before, and is not begun over.
    with pytest.raises(ValueError, match="already holds a search"):
        search_recipe(recipe, trials=4)
    search_recipe(recipe, trials=5, resume="auto")
    more = trials_of(folder)
    assert more[:4] == rows
    assert len({row["values"]["training.learning_rate"] for row in more}) == 5
    with pytest.raises(ValueError, match="another recipe"):
        search_recipe(recipe, ["training.warmup_steps=3"], trials=6, resume="auto")


def test_the_same_values_give_the_same_figure(write_recipe) -> None:
    """Every trial has the recipe's seed: the values alone decide."""
    space = {"training.muon_learning_rate": {"choices": [1e-3]}}
    folder = search_recipe(write_recipe({"space": space, "pruner": "none"}), trials=2)

    first, second = trials_of(folder)
    assert first["value"] == second["value"]


def test_a_trial_that_fails_is_counted_and_the_others_go_on(write_recipe, capsys) -> None:
    space = {
        "model.hidden_size": {"choices": [24, 32]},
        "model.num_attention_heads": {"choices": [1, 3]},
    }
    folder = search_recipe(write_recipe({"space": space, "sampler": "random", "pruner": "none", "steps": 1}), trials=5)

    rows = trials_of(folder)
    assert {row["state"] for row in rows} == {"completed", "failed"}
    failed = next(row for row in rows if row["state"] == "failed")
    assert "num_attention_heads=3" in failed["failure"]
    assert "failed" in capsys.readouterr().out


def test_where_every_trial_fails_that_is_the_error(write_recipe) -> None:
    space = {"training.learning_rate": {"low": 1e30, "high": 1e35, "log": True}}

    with pytest.raises(ValueError, match="none of the 2 trials completed"):
        search_recipe(write_recipe({"space": space, "steps": 4}), trials=2)


def test_a_bad_trial_is_pruned(write_recipe, monkeypatch) -> None:
    """Four that learn, and then one that blows up: it ends at its first evaluation."""
    recipe = write_recipe({"space": {"training.learning_rate": {"choices": [1e-3, 1e3]}}, "steps": 4})
    create_study = optuna.create_study
    good, bad = ({"training.learning_rate": json.dumps(value)} for value in (1e-3, 1e3))

    def with_a_queue(**options: object) -> object:
        study = create_study(**options)
        if not study.trials:
            for params in (good, good, good, good, bad):
                study.enqueue_trial(params)
        return study

    monkeypatch.setattr(optuna, "create_study", with_a_queue)
    folder = search_recipe(recipe, trials=5)

    rows = trials_of(folder)
    assert [row["state"] for row in rows] == ["completed"] * 4 + ["pruned"]
    assert rows[-1]["steps"] == 2


def test_a_metric_that_is_not_there(write_recipe) -> None:
    with pytest.raises(ValueError, match=r"eval_los does not exist; did you mean eval_loss\?"):
        search_recipe(write_recipe({"space": SPACE, "metric": "eval_los", "direction": "minimize"}), trials=1)


def test_no_validation_split(write_recipe, digits, tmp_path) -> None:
    one = tmp_path / "one"
    one.mkdir()
    shutil.copy(next((digits / "digits" / "train").glob("*.mp4")), one / "a.mp4")

    with pytest.raises(ValueError, match="there are none: set data"):
        search_recipe(write_recipe({"space": SPACE}, data={"train": str(one)}), trials=1)


def test_several_processes_at_once_are_sent_to_the_study(write_recipe, monkeypatch) -> None:
    monkeypatch.setenv("WORLD_SIZE", "2")

    with pytest.raises(ValueError, match="start heygen-hf search several times"):
        search_recipe(write_recipe({"space": SPACE}), trials=1)


@pytest.mark.slow
def test_a_killed_search_goes_on_and_its_trial_is_tried_again(write_recipe, tmp_path) -> None:
    recipe = write_recipe({"space": SPACE, "steps": 100_000, "pruner": "none"}, training={"logging_steps": 1})
    process = subprocess.Popen(
        [sys.executable, "-m", "heygen_hf", "search", str(recipe), "--trials", "2"],
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    log = tmp_path / "outputs" / "tiny_search" / "trials" / "trial-0000" / "log.jsonl"
    deadline = time.monotonic() + 120
    while not (log.is_file() and process.poll() is None) and time.monotonic() < deadline:
        time.sleep(0.1)
    os.kill(process.pid, signal.SIGKILL)
    process.wait()
    assert log.is_file()
    # The same search but for its length, which is no key of what is compared here.
    stored = tmp_path / "outputs" / "tiny_search" / "recipe.yaml"
    stored.write_text(stored.read_text().replace("steps: 100000", "steps: 2"))
    recipe.write_text(recipe.read_text().replace("steps: 100000", "steps: 2"))

    folder = search_recipe(recipe, trials=2, resume="auto")

    rows = trials_of(folder)
    assert [row["state"] for row in rows] == ["killed", "completed", "completed"]
    assert rows[1]["values"] == rows[0]["values"]
