import json
import socket
from pathlib import Path

import pytest
import yaml
from PIL import Image

from heygen_hf.tasks.run_report import write_report
from heygen_hf.tasks.run_report.curves import panels_of
from heygen_hf.training.debugging.run_records import read_run

pytest.importorskip("matplotlib")


@pytest.fixture
def run(tmp_path: Path) -> Path:
    folder = tmp_path / "my_run"
    (folder / "samples").mkdir(parents=True)
    recipe = {
        "task": "text_to_video",
        "data": {"train": f"{tmp_path}/secret/clips"},
        "training": {"max_steps": 20},
    }
    (folder / "recipe.yaml").write_text(yaml.safe_dump(recipe))
    entries = [
        {"step": 10, "loss": 1.0, "loss_pixel": 0.5, "grad_norm": 0.1, "learning_rate": 1e-3, "mfu": 0.2, "epoch": 1},
        {"step": 10, "eval_loss": 0.9, "eval_loss_at_0.1": 0.5, "eval_psnr": 20.0, "eval_runtime": 1.0},
        {"step": 20, "loss": 0.5, "loss_pixel": 0.2, "grad_norm": 0.1, "learning_rate": 0.0, "mfu": 0.2, "epoch": 2},
    ]
    (folder / "log.jsonl").write_text("".join(json.dumps(entry) + "\n" for entry in entries) + '{"st')
    Image.new("RGB", (8, 8)).save(folder / "samples" / "samples.png")
    (folder / "samples" / "step-0000020.mp4").write_bytes(b"video")
    return folder


def finish(run: Path) -> None:
    skipped = {"file_name": f"{run}/<b>bad</b>.mp4", "reason": "cut short on build-host-17"}
    facts = {
        "command": ["heygen-hf", "train", str(run / "recipe.yaml"), "--hub-token=hf_abcdefghijklmnopqrstuvwx"],
        "steps": 20,
        "num_parameters": 1234,
        "reports": {
            "train": {
                "num_rows": 5,
                "num_used": 3,
                "num_set_apart": 0,
                "skipped": [skipped] * 2,
            }
        },
        "replaced_clips": {f"{run}/gone.mp4": "not there"},
        "hardware": {"cpu": "2 cores"},
        "versions": {"torch": "2.13"},
    }
    (run / "run.json").write_text(json.dumps(facts))
    figures = {
        "figures": [{"name": "accuracy", "group": "test", "value": 0.81234, "count": 80, "interval": [0.71, 0.88]}],
        "colour": {"worst": {"accuracy": 0.5, "count": 4, "interval": [0.1, 0.9]}},
    }
    (run / "metrics.json").write_text(json.dumps(figures))


def test_an_unfinished_run_has_its_page(run: Path) -> None:
    path = write_report(run)

    page = path.read_text()
    assert path == run / "report.html"
    assert "step 20 of 20: not finished" in page
    assert page.count("data:image/png;base64,") == 2  # curves and a sample
    assert "data:video/mp4;base64,dmlkZW8=" in page


def test_a_finished_run_tells_everything_and_nothing_of_the_machine(run: Path, tmp_path: Path, monkeypatch) -> None:
    monkeypatch.setattr(socket, "gethostname", lambda: "build-host-17")
    finish(run)
    finding = {"state": "note", "subject": "Padding", "found": "60%", "remedy": f"heygen-hf plan {run / 'recipe.yaml'}"}

    page = write_report(run, output=tmp_path / "page.html", findings=[finding]).read_text()

    assert "20 of 20 steps, 1,234 parameters" in page
    for told in ("0.8123", "0.71 – 0.88", "colour · worst", "test · accuracy", "2 cores", "Padding", "gone.mp4"):
        assert told in page, told
    assert "2 × cut short" in page
    assert "<b>bad" not in page
    for secret in (str(tmp_path), "build-host-17", "hf_abcdefghijklmnopqrstuvwx"):
        assert secret not in page, secret
    assert "http://" not in page
    assert "https://" not in page


def test_panels_are_what_the_log_has(run: Path) -> None:
    panels = {title: keys for title, keys, _ in panels_of(read_run(run))}

    assert panels == {
        "loss": ["loss", "eval_loss"],
        "parts of the loss": ["loss_pixel"],
        "validation loss by timestep": ["eval_loss_at_0.1"],
        "eval_psnr": ["eval_psnr"],
        "gradient norm": ["grad_norm"],
        "learning rate": ["learning_rate"],
        "shares of time, tokens and peak": ["mfu"],
    }


def test_histograms_are_drawn_where_there_are_some(run: Path) -> None:
    line = {
        "step": 10,
        "kind": "gradient",
        "block": "0",
        "mean": 0,
        "std": 1,
        "max": 2,
        "edges": [0, 1, 2],
        "counts": [1, 3],
    }
    (run / "histograms.jsonl").write_text(json.dumps(line) + "\n{")

    assert "Activations and gradients" in write_report(run).read_text()


@pytest.mark.parametrize("finite_before", [True, False])
def test_histograms_of_a_block_without_a_finite_value(run: Path, finite_before: bool) -> None:
    """As a run that blew up leaves them: its page is wanted most."""
    line = {"step": 10, "kind": "gradient", "block": "0", "mean": 0, "std": 1, "max": 2, "edges": [0, 1, 2]}
    nothing = {**line, "step": 20, "mean": None, "std": None, "max": None, "edges": [], "counts": []}
    lines = [{**line, "counts": [1, 3]}] * finite_before + [nothing, [1], 3]
    (run / "histograms.jsonl").write_text("".join(json.dumps(each) + "\n" for each in lines))

    assert "Activations and gradients" in write_report(run).read_text()


def test_a_run_without_a_log_still_has_a_page(run: Path) -> None:
    (run / "log.jsonl").unlink()

    assert "Nothing was logged yet" in write_report(run).read_text()


def test_no_run_is_one_line(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="is no run"):
        write_report(tmp_path)
