"""Measuring a finished fine-tuning again."""

from pathlib import Path
from typing import NoReturn


def evaluate(run: str | Path, *, output: str | Path | None = None) -> NoReturn:  # noqa: ARG001 - as other tasks' is called
    """Refuse: a fine-tuning's own figures come from its training.

    Raises:
        ValueError: says what can be measured.
    """
    raise ValueError(
        f"{run} is a fine-tuning, whose validation loss is computed while it trains (metrics.json): measure its videos "
        f"with heygen-hf evaluate {run} --metrics NAME"
    )
