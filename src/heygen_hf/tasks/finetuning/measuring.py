"""The validation loss before, during and after a fine-tuning: its figures."""

import json
from typing import Any

from heygen_hf.hub import MetricResult
from heygen_hf.tasks.model_training.figures import write_figures
from heygen_hf.tasks.run_folder import RunFolder

_LOSS = "eval_loss"


def measure_validation(folder: RunFolder, *, num_clips: int) -> dict[str, Any]:
    """Write `metrics.json` from what the log has of the validation clips, always at the same timesteps and noise.

    Args:
        num_clips: that each loss is the mean over.
    """
    rows = [row for row in read_log(folder) if _LOSS in row]
    figures: list[MetricResult] = []
    if rows:
        first, last = rows[0], rows[-1]
        shared: dict[str, Any] = {"count": num_clips, "unit": "", "metric_type": "loss"}
        if first["step"] == 0:
            figures.append(
                MetricResult(
                    name="validation loss before",
                    value=first[_LOSS],
                    note="before the first step",
                    is_baseline=True,
                    **shared,
                )
            )
        timesteps = [name.removeprefix(f"{_LOSS}_at_") for name in last if name.startswith(f"{_LOSS}_at_")]
        figures.append(
            MetricResult(
                name="validation loss",
                value=last[_LOSS],
                note=f"after {last['step']} steps; mean over timesteps {', '.join(timesteps)}, noise fixed",
                **shared,
            )
        )
    losses = [{name: value for name, value in row.items() if name.startswith(("step", _LOSS))} for row in rows]
    return write_figures(folder.metrics, figures, validation=losses)


def read_log(folder: RunFolder) -> list[dict[str, Any]]:
    """All that a run logged, in its order."""
    if not folder.log.is_file():
        return []
    return [json.loads(line) for line in folder.log.read_text(encoding="utf-8").splitlines() if line.strip()]
