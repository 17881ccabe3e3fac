"""The run's history: one JSON object a line."""

import json
from pathlib import Path
from typing import Any

from transformers import TrainerCallback, TrainerControl, TrainerState, TrainingArguments


class JsonLinesLog(TrainerCallback):
    """Appends every log entry to a `.jsonl` file, one object a line with its `step`.

    On resume the file starts as the checkpoint's own history: what was logged after it will be logged again.
    """

    def __init__(self, path: str | Path) -> None:
        self.path = Path(path)

    def on_train_begin(
        self,
        args: TrainingArguments,
        state: TrainerState,
        control: TrainerControl,
        **kwargs: Any,
    ) -> None:
        if not state.is_world_process_zero:
            return
        self.path.parent.mkdir(parents=True, exist_ok=True)
        # Beside and renamed, under a name that the next start writes again: a kill leaves the history as it was.
        beside = self.path.with_name(f".{self.path.name}.tmp")
        beside.write_text("".join(_line(entry["step"], entry) for entry in state.log_history))
        beside.replace(self.path)

    def on_log(
        self,
        args: TrainingArguments,
        state: TrainerState,
        control: TrainerControl,
        logs: dict[str, Any] | None = None,
        **kwargs: Any,
    ) -> None:
        if not state.is_world_process_zero or logs is None:
            return
        try:
            with self.path.open("a") as file:
                file.write(_line(state.global_step, logs))
        except OSError as error:
            raise ValueError(
                f"{self.path.name} cannot be written at step {state.global_step} ({error}); free some space, then "
                "continue with --resume auto."
            ) from error


def _line(step: int, entry: dict[str, Any]) -> str:
    return json.dumps({"step": step, **{name: value for name, value in entry.items() if name != "step"}}) + "\n"
