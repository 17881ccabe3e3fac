"""The command line as a whole: help, exit codes, and errors of one line."""

import subprocess
import sys
from collections.abc import Callable

import pytest
import typer

from heygen_hf.cli import main as main_module

Run = Callable[..., subprocess.CompletedProcess[str]]


def test_help_names_every_command(heygen_hf_command: Run) -> None:
    result = heygen_hf_command("--help")
    assert result.returncode == 0
    making = ["data", "plan", "train", "search", "distill", "generate"]
    for command in [*making, "evaluate", "doctor", "report", "publish", "demo"]:
        assert f" {command} " in result.stdout


def test_a_users_error_is_one_line_and_exit_code_2(heygen_hf_command: Run) -> None:
    result = heygen_hf_command("train", "no/such/folder/with/a/rather/long/name/recipe.yaml", "training.x=1")
    assert result.returncode == 2
    assert result.stdout == ""
    assert result.stderr == (
        "error: no/such/folder/with/a/rather/long/name/recipe.yaml is not there; expected the path of a .yaml recipe\n"
    )


@pytest.mark.parametrize(
    ("arguments", "environment"),
    [(["train", "x.yaml", "--debug"], {}), (["train", "x.yaml"], {"HEYGEN_HF_DEBUG": "1"})],
)
def test_debug_shows_the_traceback(heygen_hf_command: Run, arguments: list[str], environment: dict[str, str]) -> None:
    result = heygen_hf_command(*arguments, environment=environment)
    assert "Traceback" in result.stderr
    assert "RecipeError: x.yaml is not there" in result.stderr


@pytest.fixture
def raising(monkeypatch: pytest.MonkeyPatch) -> Callable[[Callable[[], object]], None]:
    """Put a command of one's own in the place of the others, and start it."""

    def start(command: Callable[[], object]) -> None:
        app = typer.Typer(pretty_exceptions_enable=False)
        app.command()(command)
        monkeypatch.setattr(main_module, "app", app)
        monkeypatch.setattr("sys.argv", ["heygen-hf"])
        main_module.main()

    return start


def test_a_librarys_error_says_which_and_how_to_see_more(raising, capsys: pytest.CaptureFixture[str]) -> None:
    def command() -> None:
        raise ValueError("shapes\n  do not match")

    with pytest.raises(SystemExit, match="2"):
        raising(command)
    expected = "error: ValueError: shapes do not match (--debug shows where)\n"
    assert capsys.readouterr().err == expected


def test_a_missing_package_points_to_the_doctor(raising, capsys: pytest.CaptureFixture[str]) -> None:
    def command() -> None:
        import no_such_package  # noqa: F401

    with pytest.raises(SystemExit, match="2"):
        raising(command)
    assert "heygen-hf doctor" in capsys.readouterr().err


def test_a_bug_keeps_its_traceback(raising) -> None:
    def command() -> None:
        raise AssertionError("impossible")

    with pytest.raises(AssertionError, match="impossible"):
        raising(command)


def test_success_is_exit_code_0(raising) -> None:
    def command() -> None:
        pass

    with pytest.raises(SystemExit, match="0"):
        raising(command)


def test_warnings_and_errors_are_plain_lines(heygen_hf_command: Run, tmp_path) -> None:
    script = """
import sys, warnings
from tqdm.auto import tqdm
from heygen_hf.cli import main
def command():
    warnings.warn("mind\\n  this", UserWarning, stacklevel=2)
    bar = tqdm(total=2, file=sys.stderr)
    raise ValueError("no")
main.app = lambda **options: command()
main.main()
"""
    result = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=False, cwd=tmp_path)
    lines = result.stderr.splitlines()
    assert lines[0] == "warning: mind this"
    assert lines[-1].startswith("error: ")


def test_an_interrupted_training_says_how_to_go_on(monkeypatch, capsys: pytest.CaptureFixture[str]) -> None:
    def interrupted(*_: object, **__: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr("heygen_hf.tasks.run_recipe", interrupted)
    monkeypatch.setattr("sys.argv", ["heygen-hf", "train", "mine.yaml"])
    with pytest.raises(SystemExit) as stopped:
        main_module.main()
    assert stopped.value.code == 130
    assert capsys.readouterr().err == "interrupted; continue with --resume auto\n"
