import re
import sys
from collections.abc import Callable

import pytest

from heygen_hf.training import VideoGenerationTrainer
from heygen_hf.training.monitoring.terminal_table import LogTable

MakeTrainer = Callable[..., VideoGenerationTrainer]

ROW = {"loss": 0.5, "grad_norm": 1.25, "learning_rate": 1e-3, "samples_per_second": 12345.0, "mfu": 0.123, "epoch": 1}


def test_columns_stand_under_their_headings() -> None:
    lines: list[str] = []
    table = LogTable(lines.append)
    table.add(50, ROW | {"loss_kl": 0.25, "loss_at_0_to_0.2": 3.0}, max_steps=100)
    table.add(100, ROW | {"loss_kl": 0.125})
    header, first, second = lines
    assert header.split() == ["step", "loss", "kl", "grad", "norm", "lr", "samples/s", "MFU", "(of", "100", "steps)"]
    assert first.split() == ["50", "0.5", "0.25", "1.25", "1.00e-03", "12.3k", "12.3%"]
    assert len(first) == len(second) == header.index("   (of")
    assert header.index("kl") + 2 == first.index("0.25") + 4


def test_the_header_comes_back_and_follows_the_columns() -> None:
    lines: list[str] = []
    table = LogTable(lines.append)
    for step in range(41):
        table.add(step, ROW)
    assert [i for i, line in enumerate(lines) if "loss" in line] == [0, 21, 42]
    table.add(42, ROW | {"padding_share": 0.5})
    assert "padding" in lines[-2]


def test_evaluation_and_end_have_lines_of_their_own() -> None:
    lines: list[str] = []
    table = LogTable(lines.append)
    table.add(
        8, {"eval_loss": 0.5, "eval_loss_at_0.1": 0.75, "eval_loss_at_0.9": 0.25, "eval_runtime": 3.0, "epoch": 2}
    )
    table.add(8, {"train_runtime": 3725.0, "train_loss": 0.5})
    assert lines == [
        "       8  evaluation: loss 0.5  (at 0.1: 0.75, 0.9: 0.25)",
        "trained to step 8 in 1 h 2 min, mean loss 0.5",
    ]


@pytest.mark.parametrize("disable_tqdm", [True, False])
def test_a_run_that_is_piped_to_a_file_reads_as_plain_lines(
    make_trainer: MakeTrainer, capfd: pytest.CaptureFixture[str], disable_tqdm: bool
) -> None:
    trainer = make_trainer(max_steps=2, eval_steps=2, save_steps=2, disable_tqdm=disable_tqdm)
    trainer.train()
    sys.stdout.flush()
    written, errors = capfd.readouterr()
    assert not re.search(r"[\x00-\x09\x0b-\x1f]", written)
    lines = written.splitlines()
    assert lines[0].split()[:2] == ["step", "loss"]
    assert [line.split()[0] for line in lines[1:3]] == ["1", "2"]
    assert lines[3].split()[1:3] == ["evaluation:", "loss"]
    assert lines[4].startswith("trained to step 2")
    assert "\r" not in errors
    assert "%|" not in errors
    assert "{'" not in written


def test_an_end_without_a_mean_loss() -> None:
    lines: list[str] = []
    LogTable(lines.append).add(8, {"train_runtime": 61.0})
    assert lines == ["trained to step 8 in 1 min 1 s"]
