import os
import time
from pathlib import Path

import pytest

from heygen_hf.doctor import Finding
from heygen_hf.doctor.run import examine_run
from heygen_hf.training.checkpoints.files import publish_checkpoint


def found(folder: Path, subject: str) -> Finding:
    findings = [finding for finding in examine_run(folder) if finding.subject == subject]
    assert findings, [finding.subject for finding in examine_run(folder)]
    return findings[0]


def grown_old(folder: Path) -> Path:
    """As if nothing had been written for an hour."""
    hour_ago = time.time() - 3600
    os.utime(folder / "log.jsonl", (hour_ago, hour_ago))
    return folder


def checkpoint(folder: Path, step: int) -> Path:
    staged = folder / "checkpoints" / ".staging" / f"checkpoint-{step}"
    staged.mkdir(parents=True)
    (staged / "model.safetensors").write_bytes(b"weights")
    publish_checkpoint(staged, folder / "checkpoints" / f"checkpoint-{step}")
    staged.parent.rmdir()
    return folder / "checkpoints" / f"checkpoint-{step}"


def test_a_healthy_finished_run_has_nothing_to_say(write_run, healthy) -> None:
    folder = write_run(healthy, training={"ema_decay": 0.9}, finished=True)

    assert {finding.state for finding in examine_run(folder)} == {"ok"}
    assert "finished after 100 steps" in found(folder, "Run").found


def test_a_run_that_is_writing_is_not_called_stopped(write_run, healthy) -> None:
    folder = write_run(healthy[:5])

    assert found(folder, "Run").state == "ok"
    assert "at step 25 of 100" in found(folder, "Run").found


def test_a_stopped_run_says_where_and_how_to_go_on(write_run, healthy) -> None:
    folder = grown_old(write_run(healthy[:5]))
    checkpoint(folder, 20)

    finding = found(folder, "Run")

    assert finding.state == "note"
    assert "stopped at step 25 of 100; it goes on from checkpoint-20" in finding.found
    assert finding.remedy == f"heygen-hf train {folder / 'recipe.yaml'} --resume auto"


def test_a_torn_checkpoint_is_named(write_run, healthy) -> None:
    folder = grown_old(write_run(healthy[:5]))
    checkpoint(folder, 10)
    torn = checkpoint(folder, 20)
    (torn / "model.safetensors").write_bytes(b"wei")

    assert "checkpoint-20 cannot be used" in found(folder, "Checkpoint").found
    assert found(folder, "Checkpoints").found == "whole: checkpoint-10"
    assert "goes on from checkpoint-10" in found(folder, "Run").found


def test_all_steps_and_no_export(write_run, healthy) -> None:
    folder = grown_old(write_run(healthy))

    assert "not exported" in found(folder, "Run").found
    assert found(folder, "Export").state == "note"


def loss_of(values: list[float | None], **others: float) -> list[dict]:
    return [{"step": 5 * (i + 1), "loss": value, **others} for i, value in enumerate(values)]


@pytest.mark.parametrize(
    ("entries", "subject", "state", "words"),
    [
        (loss_of([1.0, 0.5, float("nan")]), "Loss", "broken", "no number at step 15"),
        (loss_of([1.0, 0.5, None]), "Loss", "broken", "no number at step 15"),
        (loss_of([4, 2, 1, 1, 1, 1, 2, 4, 8, 8, 8, 8]), "Loss", "broken", "it diverges: 1 around step 15"),
        (loss_of([2.30] * 20), "Loss", "note", "has not fallen"),
        (loss_of([2.0, 1.0, 0.5] * 4, grad_norm=0.0), "Gradient", "broken", "never above 0"),
        (loss_of([2.0, 1.0, 0.5] * 4, grad_norm=7.0), "Clipping", "note", "100% of the logged"),
        (loss_of([2.0, 1.0, 0.5] * 4, learning_rate=0.0), "Learning rate", "broken", "0 in every entry"),
        (loss_of([2.0, 1.0, 0.5] * 4, data_wait_share=0.6), "Waiting for data", "note", "60.0%"),
        (loss_of([2.0, 1.0, 0.5] * 4, padding_share=0.5), "Padding", "note", "50.0%"),
        (loss_of([2.0, 1.0, 0.5] * 7), "Validation", "note", "never ran in 105 steps"),
    ],
)
def test_what_ails_a_run(write_run, entries, subject, state, words) -> None:
    finding = found(write_run(entries), subject)

    assert finding.state == state
    assert words in finding.found
    assert finding.remedy


def test_spikes_of_the_gradient_are_counted_behind_the_start(write_run, healthy) -> None:
    healthy[0]["grad_norm"] = 50.0
    assert found(write_run(healthy), "Gradient").state == "ok"

    healthy[12]["grad_norm"] = 50.0
    assert "1 of 20 logged norms" in found(write_run(healthy), "Gradient").found
    assert "(step 65)" in found(write_run(healthy), "Gradient").found


def test_validation_that_rises_while_training_falls(write_run, healthy) -> None:
    for entry, loss in zip([entry for entry in healthy if "eval_loss" in entry], (0.5, 0.8, 1.2), strict=True):
        entry["eval_loss"] = loss

    finding = found(write_run(healthy), "Overfitting")

    assert finding.state == "note"
    assert "0.5 at step 50 and is 1.2" in finding.found


def test_a_learning_rate_that_ends_early(write_run, healthy) -> None:
    for entry in healthy[10:20]:
        entry["learning_rate"] = 0.0

    assert "0 from step 55 to 100" in found(write_run(healthy), "Learning rate").found


def test_an_average_over_more_steps_than_there_are(write_run, healthy) -> None:
    finding = found(write_run(healthy, training={"ema_decay": 0.999}), "EMA")

    assert finding.state == "note"
    assert "ema_decay=0.9 " in finding.remedy


def test_low_use_of_a_gpu_is_a_note_and_of_a_cpu_is_not(write_run, healthy) -> None:
    for entry in healthy:
        entry["mfu"] = 0.05

    assert found(write_run(healthy, facts={"hardware": {"gpu": "H100"}}), "MFU").state == "note"
    assert found(write_run(healthy, facts={"hardware": {"cpu": "2 cores"}}), "MFU").state == "ok"


def test_clips_that_were_replaced_or_left_out(write_run, healthy) -> None:
    facts = {
        "replaced_clips": {"a.mp4": "cut short"},
        "reports": {"train": {"num_used": 3, "skipped": [{"file_name": "b.mp4", "reason": "no frames"}]}},
    }
    folder = write_run(healthy, facts=facts)

    assert "a.mp4: cut short" in found(folder, "Replaced clips").found
    assert "1 of train" in found(folder, "Data").found


def test_half_a_line_at_the_end_of_the_log_is_passed_over(write_run, healthy) -> None:
    folder = write_run(healthy)
    with (folder / "log.jsonl").open("a") as file:
        file.write('{"step": 105, "lo')

    assert found(folder, "Loss").state == "ok"


def test_no_run_is_one_line(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="there is no run"):
        examine_run(tmp_path / "nothing")
    with pytest.raises(ValueError, match="is no run"):
        examine_run(tmp_path)
    (tmp_path / "study.db").touch()
    with pytest.raises(ValueError, match="is a search"):
        examine_run(tmp_path)
