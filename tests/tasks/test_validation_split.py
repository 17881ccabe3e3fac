from pathlib import Path

import pytest

from heygen_hf.tasks.validation_split import train_without_validation
from heygen_hf.training import SupervisedTrainingArguments


def test_nothing_is_evaluated_and_that_is_said(tmp_path: Path, capsys: pytest.CaptureFixture) -> None:
    arguments = SupervisedTrainingArguments(output_dir=str(tmp_path), max_steps=1, eval_steps=5)
    train_without_validation(arguments)
    assert arguments.eval_strategy == "no"
    assert "no validation split: nothing is evaluated" in capsys.readouterr().out
    train_without_validation(arguments)
    assert capsys.readouterr().out == ""


def test_a_best_checkpoint_without_evaluations_is_refused(tmp_path: Path) -> None:
    arguments = SupervisedTrainingArguments(output_dir=str(tmp_path), max_steps=1, load_best_model_at_end=True)
    with pytest.raises(ValueError, match="load_best_model_at_end=true needs a validation split"):
        train_without_validation(arguments)
