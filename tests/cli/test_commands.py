"""Each command hands on what it was given."""

import json
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest
from typer.testing import CliRunner

from heygen_hf.cli.generate import _prompts
from heygen_hf.cli.main import app
from heygen_hf.cli.train import command_line

Run = Callable[..., subprocess.CompletedProcess[str]]


def test_data_moving_digits_writes_the_folder_it_was_asked_for(tmp_path: Path) -> None:
    folder = tmp_path / "digits"
    command = ["data", "moving-digits", "--output-dir", str(folder), "--num-train", "216"]
    command += ["--num-validation", "240", "--num-test", "240", "--image-size", "24", "--digit-size", "12"]
    result = CliRunner().invoke(app, command, catch_exceptions=False)
    assert result.exit_code == 0
    assert str(folder) in result.stdout.replace("\n", "")
    rows = (folder / "train" / "metadata.jsonl").read_text(encoding="utf-8").splitlines()
    assert len(rows) == 216
    assert set(json.loads(rows[0])) >= {"file_name", "text", "colour", "digit", "direction", "scan"}
    with pytest.raises(ValueError, match="digits"):  # other options, and no --overwrite
        CliRunner().invoke(app, [*command, "--num-frames", "6"], catch_exceptions=False)


def test_train_checks_the_recipe_before_anything_else(heygen_hf_command: Run, tmp_path: Path) -> None:
    (tmp_path / "mine.yaml").write_text("task: text_to_vidoe\n")
    result = heygen_hf_command("train", "mine.yaml")
    assert result.returncode == 2
    assert result.stderr == (
        "error: mine.yaml: task 'text_to_vidoe' is not a known task; did you mean text_to_video?\n"
    )


def test_train_refuses_what_contradicts_itself(heygen_hf_command: Run) -> None:
    result = heygen_hf_command("train", "mine.yaml", "--resume", "auto", "--overwrite")
    assert result.returncode == 2
    assert "give one of them" in result.stderr
    result = heygen_hf_command("train", "mine.yaml", "--resume", "checkpoint-7")
    assert result.stderr.startswith("error: no checkpoint folder at checkpoint-7")


def test_the_command_in_the_records_can_be_typed_again(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("WORLD_SIZE", raising=False)
    assert command_line(["train", "a.yaml"]) == ["heygen-hf", "train", "a.yaml"]
    monkeypatch.setenv("WORLD_SIZE", "2")
    expected = "torchrun --nproc_per_node 2 -m heygen_hf train a.yaml"
    assert command_line(["train", "a.yaml"]) == expected.split()


def test_prompts_come_from_options_then_from_the_file(tmp_path: Path) -> None:
    file = tmp_path / "prompts.txt"
    file.write_text("a red 7 moves left\n\n  a blue 1 moves up  \n", encoding="utf-8")
    assert _prompts(["first"], file) == ["first", "a red 7 moves left", "a blue 1 moves up"]


def test_no_prompt_is_an_error_that_says_what_to_give(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="--prompt"):
        _prompts([], None)
    with pytest.raises(FileNotFoundError, match="no prompt file"):
        _prompts([], tmp_path / "none.txt")
    (tmp_path / "empty.txt").write_text("\n")
    with pytest.raises(ValueError, match="has no prompts"):
        _prompts([], tmp_path / "empty.txt")
