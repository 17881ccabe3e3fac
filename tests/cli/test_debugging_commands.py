"""`doctor RUN`, `report`, `search` and `train --overfit-one-batch`: what they are given and how they end."""

import json
from pathlib import Path

import pytest
from typer.testing import CliRunner

from heygen_hf.cli.main import app
from heygen_hf.tasks import overfitting

RECIPE = str(Path(__file__).parents[2] / "recipes" / "text_to_video" / "moving_digits.yaml")


@pytest.fixture
def diverged(tmp_path: Path) -> Path:
    folder = tmp_path / "run"
    folder.mkdir()
    losses = [4, 2, 1, 1, 1, 1, 2, 4, 8, 8, 8, 8]
    lines = [json.dumps({"step": 10 * (i + 1), "loss": loss}) + "\n" for i, loss in enumerate(losses)]
    (folder / "log.jsonl").write_text("".join(lines))
    return folder


def test_doctor_of_a_run_ends_with_1_where_something_is_broken(diverged: Path) -> None:
    result = CliRunner().invoke(app, ["doctor", str(diverged), "--json"])

    assert result.exit_code == 1
    findings = {finding["subject"]: finding for finding in json.loads(result.stdout)["findings"]}
    assert findings["Loss"]["state"] == "broken"
    assert "GPU" not in findings

    result = CliRunner().invoke(app, ["doctor", str(diverged)])
    assert "Loss: go back to a checkpoint" in result.stdout


def test_doctor_looks_at_a_run_or_at_the_package(diverged: Path) -> None:
    with pytest.raises(ValueError, match="leave one of them out"):
        CliRunner().invoke(app, ["doctor", str(diverged), "--gradients"], catch_exceptions=False)


def test_report_writes_the_doctors_findings(diverged: Path, tmp_path: Path) -> None:
    pytest.importorskip("matplotlib")

    result = CliRunner().invoke(app, ["report", str(diverged), "--output", str(tmp_path / "page.html")])

    assert result.exit_code == 0
    assert "it diverges" in (tmp_path / "page.html").read_text()
    assert not (diverged / "report.html").exists()


@pytest.mark.parametrize(
    ("command", "words"),
    [
        (["search", RECIPE, "--trials", "0"], "trials must be at least 1"),
        (["search", RECIPE], "has no search.space"),
        (["search", RECIPE, "--resume", "auto", "--overwrite"], "give one of them"),
        (["search", RECIPE, "--resume", "some/folder"], "resume must be auto or none"),
        (["train", RECIPE, "--overfit-one-batch", "--resume", "auto"], "leave out --resume and --overwrite"),
    ],
)
def test_what_cannot_be_is_one_line(command: list[str], words: str) -> None:
    with pytest.raises(ValueError, match=words):
        CliRunner().invoke(app, command, catch_exceptions=False)


@pytest.mark.parametrize(("last_loss", "exit_code"), [(0.01, 0), (0.3, 0), (0.9, 1)])
def test_overfit_one_batch_ends_with_1_where_nothing_is_learned(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, last_loss: float, exit_code: int
) -> None:
    verdict = overfitting.judge([1.0, last_loss], steps=2, folder=tmp_path)
    monkeypatch.setattr(overfitting, "overfit_one_batch", lambda *_: verdict)

    result = CliRunner().invoke(app, ["train", RECIPE, "--overfit-one-batch"])

    assert result.exit_code == exit_code
    assert verdict.line() in result.stdout
