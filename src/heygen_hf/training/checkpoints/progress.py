"""What a checkpoint holds beside Trainer's own files: how far the data and the log have come, on how many processes."""

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

PROGRESS_FILE = "progress.json"


@dataclass
class Progress:
    """`progress.json` of a checkpoint.

    Attributes:
        processes, batch_size, accumulation_steps: how the samples of a step are shared out.
        data: `ClipLoader.state_dict()`; None where the loader is another one.
        last_logged_step: the last step whose loss was logged.
        loss_since_logged: of each process, the sum of its losses since then.
        sums_since_logged: of each process, what else it sums up for the log: numbers in lists and dictionaries.
        loss_of_logged: the sum of all losses logged so far, for the mean over the whole run.
        evaluation_is_due: the run was stopped before this step's evaluation.
        epoch_has_ended: what happens at the end of an epoch has happened, where the step is an epoch's last.
        replaced_clips: `{file_name: reason}` of clips that could not be read, in any process.
        best_saved_step: the best step of those that were saved; 0 where there is none.
        optimizer: what the optimiser's state is of; None in checkpoints of the first versions.
        max_steps: of the whole run, as it was meant then.
        evaluation_has_ended_it: early stopping, or what else looks at an evaluation, has ended the training. (One that
            was ended in a step, as by a time limit, goes on.)
    """

    processes: int
    batch_size: int
    accumulation_steps: int
    data: dict[str, Any] | None = None
    last_logged_step: int = 0
    loss_since_logged: list[float] = field(default_factory=list)
    sums_since_logged: list[dict[str, Any]] = field(default_factory=list)
    loss_of_logged: float = 0.0
    evaluation_is_due: bool = False
    epoch_has_ended: bool = True
    replaced_clips: dict[str, str] = field(default_factory=dict)
    best_saved_step: int = 0
    optimizer: str | None = None
    max_steps: int = 0
    evaluation_has_ended_it: bool = False

    def of_process(self, index: int, processes: int) -> tuple[float, dict[str, Any]]:
        """What a process has summed up since the last log; their mean, where there were as many of others."""
        if processes == self.processes:
            return self.loss_since_logged[index], self.sums_since_logged[index]
        return _mean(self.loss_since_logged), _mean(self.sums_since_logged)

    def check_steps_are_those_of(self, *, processes: int, batch_size: int, accumulation_steps: int, name: str) -> None:
        """Refuse to go on with other optimiser steps.

        Raises:
            ValueError: another number of samples would make a step; says what to set.
        """
        wanted = self.processes * self.batch_size * self.accumulation_steps
        if processes * batch_size * accumulation_steps == wanted:
            return
        each, rest = divmod(wanted, processes * accumulation_steps)
        remedy = (
            f"start it on {self.processes} processes, or share {wanted} samples out evenly with "
            "training.per_device_train_batch_size and training.gradient_accumulation_steps"
            if rest
            else f"set training.per_device_train_batch_size={each}"
        )
        raise ValueError(
            f"{name} is of a run with {_steps(self.processes, self.batch_size, self.accumulation_steps)}, and this one "
            f"has {_steps(processes, batch_size, accumulation_steps)}: {remedy}."
        )

    def check_optimizer_is(self, optimizer: str, *, name: str) -> None:
        """Refuse to go on with an optimiser that the saved state is not of.

        Raises:
            ValueError: it is another one; says what to set.
        """
        if self.optimizer not in (None, optimizer):
            raise ValueError(
                f"{name} is of a run with the optimiser {self.optimizer}, and this one has {optimizer}: set "
                "training.optimizer (or training.optim) as it was, or start anew in another output_dir."
            )

    def save(self, checkpoint: Path) -> None:
        """Write it into a checkpoint."""
        (checkpoint / PROGRESS_FILE).write_text(json.dumps(asdict(self), indent=1))

    @classmethod
    def load(cls, checkpoint: Path) -> "Progress | None":
        """Read what `save` wrote; None where a checkpoint has none (one of `Trainer` itself)."""
        file = checkpoint / PROGRESS_FILE
        if not file.is_file():
            return None
        values: Mapping[str, Any] = json.loads(file.read_text())
        return cls(**{name: value for name, value in values.items() if name in cls.__dataclass_fields__})


def _mean(values: list[Any]) -> Any:
    """Of numbers, of lists place by place, of dictionaries name by name; a name that is missing counts as 0."""
    first = next((value for value in values if value != 0), 0.0)
    if isinstance(first, dict):
        names = dict.fromkeys(name for value in values for name in value or {})
        return {name: _mean([(value or {}).get(name, 0.0) for value in values]) for name in names}
    if isinstance(first, list):
        return [_mean(list(places)) for places in zip(*(value or [0.0] * len(first) for value in values), strict=True)]
    return sum(values) / len(values)


def _steps(processes: int, batch_size: int, accumulation_steps: int) -> str:
    samples = processes * batch_size * accumulation_steps
    shares = f"{processes} × {batch_size} × {accumulation_steps}"
    return f"{samples} samples a step ({shares} as processes × batch × accumulation)"
