"""Which samples a step was made of, found out when somebody asks."""

import copy
from collections.abc import Sequence
from typing import Any

from heygen_hf.data.loading import ClipLoader


def names_of_step(loader: ClipLoader | None, *, steps_done: int, accumulation_steps: int) -> list[str]:
    """The file names (or rows) that a process drew for the optimiser step after `steps_done`.

    The order of the data is a function of seed and epoch, so nothing has to be kept or sent along with the batches.
    """
    if loader is None:
        return []
    batches = copy.copy(loader.batches)
    per_epoch = max(-(-len(batches) // accumulation_steps), 1)
    epoch, step = divmod(steps_done, per_epoch)
    batches.set_epoch(epoch)
    batches.start_at(step * accumulation_steps)
    drawn = [rows for rows, _ in zip(iter(batches), range(accumulation_steps), strict=False)]
    return names_of_rows(loader.dataset, [row for rows in drawn for row in rows])


def names_of_rows(dataset: Any, rows: Sequence[int]) -> list[str]:
    """File names where the data set knows them, through whatever it is wrapped in; else the numbers of the rows."""
    names = getattr(dataset, "file_names", None)
    if names is not None:
        return [names[row] for row in rows]
    for inner, numbers in (("clips", "rows"), ("dataset", "indices")):
        if hasattr(dataset, inner) and hasattr(dataset, numbers):  # some of its rows
            chosen = getattr(dataset, numbers)
            return names_of_rows(getattr(dataset, inner), [int(chosen[row]) for row in rows])
    if hasattr(dataset, "clips") and hasattr(dataset, "times"):  # repeated
        return names_of_rows(dataset.clips, [row % len(dataset.clips) for row in rows])
    if hasattr(dataset, "shards"):
        try:
            return [str(row["file_name"]) for row in dataset.shards.read(list(rows))]
        except Exception:  # the message that wants the names is about something worse
            pass
    return [f"row {row}" for row in rows]
