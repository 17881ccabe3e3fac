"""Where TensorBoard, MLflow and wandb write: into the run's folder."""

import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import Any

from transformers import TrainerCallback, TrainerControl, TrainerState, TrainingArguments
from transformers.integrations import TensorBoardCallback

from heygen_hf._optional import require

_PROJECT = "heygen_hf"


class RunTensorBoard(TensorBoardCallback):
    """Events in `RUN/tensorboard`; a resumed run's take the place of those after its checkpoint.

    Args:
        folder: where; the environment variable TENSORBOARD_LOGGING_DIR goes before it.
    """

    def __init__(self, folder: Path) -> None:
        super().__init__()
        self.logging_dir = self.logging_dir or str(folder)
        self._first_step = 0

    def on_train_begin(
        self, args: TrainingArguments, state: TrainerState, control: TrainerControl, **kwargs: Any
    ) -> None:
        self._first_step = state.global_step
        super().on_train_begin(args, state, control, **kwargs)

    def _init_summary_writer(self, args: TrainingArguments) -> None:
        self.tb_writer = self._SummaryWriter(log_dir=self.logging_dir, purge_step=self._first_step + 1)


def in_run_folder(callback: TrainerCallback, folder: Path) -> TrainerCallback:
    """A tracker's callback that writes into the run's folder, unless the tracker's own variables say otherwise."""
    kind = type(callback).__name__
    if isinstance(callback, TensorBoardCallback):
        return RunTensorBoard(folder / "tensorboard")
    if kind == "MLflowCallback":
        callback.setup = partial(_set_up_mlflow, callback.setup, folder)  # type: ignore[attr-defined]
    if kind == "WandbCallback":
        variables = {"WANDB_DIR": str(folder.resolve()), "WANDB_PROJECT": _PROJECT}
        callback.setup = partial(_set_up, callback.setup, folder, variables)  # type: ignore[attr-defined]
    return callback


def _set_up(setup: Any, folder: Path, variables: Mapping[str, str], *args: Any, **kwargs: Any) -> Any:
    folder.mkdir(parents=True, exist_ok=True)
    with _defaults_in_environment(variables):
        return setup(*args, **kwargs)


def _set_up_mlflow(setup: Any, folder: Path, *args: Any, **kwargs: Any) -> Any:
    if "MLFLOW_TRACKING_URI" not in os.environ:
        # Its store in plain files refuses to be used, and its default database lies where the program was started.
        require("mlflow").set_tracking_uri(f"sqlite:///{(folder / 'mlflow.db').resolve()}")
    return _set_up(setup, folder, {"MLFLOW_EXPERIMENT_NAME": _PROJECT}, *args, **kwargs)


@contextmanager
def _defaults_in_environment(variables: Mapping[str, str]) -> Iterator[None]:
    """Variables that are not set are, within: what is left behind would lead the next run into this one's folder."""
    new = {name: value for name, value in variables.items() if name not in os.environ}
    os.environ.update(new)
    try:
        yield
    finally:
        for name in new:
            os.environ.pop(name, None)
