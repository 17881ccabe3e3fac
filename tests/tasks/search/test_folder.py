"""Who may search in a folder, and when a search there has begun."""

from pathlib import Path

import pytest

from heygen_hf.tasks import load_recipe
from heygen_hf.tasks.search.folder import SearchFolder
from heygen_hf.tasks.search.study import (
    PROCESS,
    STUDY_NAME,
    joined,
    open_storage,
    retry_trials_of_the_dead,
    running_elsewhere,
    take_number,
)

optuna = pytest.importorskip("optuna")
SPACE = {"training.learning_rate": {"low": 1e-4, "high": 1e-2}}
FLAGS = [{"resume": False, "overwrite": False}, {"resume": True, "overwrite": False}, {"resume": False, "overwrite": 1}]


@pytest.fixture
def recipe(write_recipe):
    return load_recipe(write_recipe({"space": SPACE}))


@pytest.fixture
def folder(tmp_path: Path) -> SearchFolder:
    return SearchFolder(tmp_path / "tiny_search")


def prepare(folder: SearchFolder, recipe, *, resume: bool = False, overwrite: bool = False):
    with folder.entrance():
        folder.prepare(recipe, resume=resume, overwrite=overwrite)
        return optuna.create_study(storage=open_storage(folder), study_name=STUDY_NAME, load_if_exists=True)


@pytest.mark.parametrize("flags", FLAGS)
def test_what_was_killed_before_its_first_trial_starts_again(folder, recipe, flags) -> None:
    (folder.processes).mkdir(parents=True)
    (folder.processes / "0123.lock").touch()
    folder.recipe.write_text("of another recipe")
    (folder.path / ".recipe.yaml.tmp").touch()

    prepare(folder, recipe, **flags)
    prepare(folder, recipe, **flags)

    assert load_recipe(folder.recipe).to_dict() == recipe.to_dict()
    assert sorted(path.name for path in folder.path.iterdir()) == [".processes", "recipe.yaml", "study.db"]


def test_a_study_whose_tables_are_half_made_starts_again(folder, recipe) -> None:
    folder.path.mkdir()
    folder.study.touch()

    assert prepare(folder, recipe).trials == []


def test_one_that_has_a_trial_needs_a_word(folder, recipe) -> None:
    prepare(folder, recipe).ask()

    with pytest.raises(ValueError, match="already holds a search"):
        prepare(folder, recipe)
    assert len(prepare(folder, recipe, resume=True).trials) == 1
    assert prepare(folder, recipe, overwrite=True).trials == []


def test_a_second_process_joins_the_first_and_does_not_replace_it(folder, recipe) -> None:
    numbers = [take_number(prepare(folder, recipe))]
    with joined(folder):
        with pytest.raises(ValueError, match="already holds a search"):
            prepare(folder, recipe)
        with pytest.raises(ValueError, match="other processes search in it"):
            prepare(folder, recipe, overwrite=True)
        numbers.append(take_number(prepare(folder, recipe, resume=True)))
    assert numbers == [0, 1]
    assert not folder.alive()


def test_other_files_are_left_alone(folder, recipe) -> None:
    folder.path.mkdir()
    (folder.path / "thesis.txt").touch()

    with pytest.raises(ValueError, match="holds other files"):
        prepare(folder, recipe, overwrite=True)
    assert [path.name for path in folder.path.iterdir()] == ["thesis.txt"]


def test_trials_of_processes_that_live_count_and_those_of_the_dead_run_again(folder, recipe) -> None:
    study = prepare(folder, recipe)
    with joined(folder) as own, joined(folder) as other:
        for process in (other, "gone", own):
            trial = study.ask()
            trial.suggest_float("training.learning_rate", 1e-4, 1e-2)
            trial.set_user_attr(PROCESS, process)
        assert [trial.number for trial in running_elsewhere(study.trials, folder, own=own)] == [0]
        assert retry_trials_of_the_dead(study, folder, own=own) == 1
    assert [trial.state.name for trial in study.trials] == ["RUNNING", "FAIL", "RUNNING", "WAITING"]


def test_a_name_is_taken_away_after_an_error(folder) -> None:
    with pytest.raises(KeyError), joined(folder):
        raise KeyError
    assert list(folder.processes.iterdir()) == []
