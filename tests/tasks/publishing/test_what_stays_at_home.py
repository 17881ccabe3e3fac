"""What a run keeps for itself: publishing takes what it knows, and nothing else."""

from pathlib import Path

import pytest

from heygen_hf.hub.repo_folder import read_export
from heygen_hf.tasks.run_folder import RunFolder

OF_THE_RUN = (
    "tensorboard/events.out.tfevents.1.host",
    "mlflow.db",
    "mlruns/0/meta.yaml",
    "wandb/run-1/logs/debug.log",
    "trackio/project.db",
    "histograms.jsonl",
    "log.jsonl",
    "report.html",
    "overfit.json",
    "checkpoints/checkpoint-2/model.safetensors",
    "evaluation/judges/digit/model.safetensors",
    "samples/step-0000002.mp4",
)


@pytest.mark.parametrize("index", ["model_index.json", "config.json", "adapter_config.json"])
def test_records_of_training_are_not_published(tmp_path: Path, index: str) -> None:
    for name in (*OF_THE_RUN, "samples/samples.png"):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).touch()
    (tmp_path / index).write_text("{}")

    files = read_export(tmp_path).files()

    assert {index, "samples/samples.png"} <= set(files)
    assert not set(files) & set(OF_THE_RUN)


def test_a_report_does_not_make_a_run(tmp_path: Path) -> None:
    """Of one that stopped before its first checkpoint, and may start again."""
    for name in ("recipe.yaml", "log.jsonl", "report.html"):
        (tmp_path / name).touch()

    RunFolder(tmp_path).prepare(resume=False, overwrite=False)
