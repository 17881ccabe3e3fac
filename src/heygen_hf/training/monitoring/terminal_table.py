"""What is logged, as a table in the terminal or in a file that it is piped to."""

import sys
from collections.abc import Callable, Mapping
from typing import Any

from tqdm.auto import tqdm
from transformers import (
    PrinterCallback,
    ProgressCallback,
    TrainerCallback,
    TrainerControl,
    TrainerState,
    TrainingArguments,
)

_ROWS_TO_A_HEADER = 20
_MOST_PARTS = 5


def _plain(value: float) -> str:
    return f"{value:.4g}"


def _share(value: float) -> str:
    return f"{value:.1%}"


def _count(value: float) -> str:
    for size, letter in ((1e15, "P"), (1e12, "T"), (1e9, "G"), (1e6, "M"), (1e4, "k")):
        if abs(value) >= size:
            return f"{value / (1e3 if letter == 'k' else size):.3g}{letter}"
    return f"{value:.4g}"


# key of the log -> heading, width, how it is written.
_COLUMNS: dict[str, tuple[str, int, Callable[[float], str]]] = {
    "grad_norm": ("grad norm", 9, _plain),
    "learning_rate": ("lr", 8, lambda value: f"{value:.2e}"),
    "samples_per_second": ("samples/s", 9, _count),
    "tokens_per_second": ("tokens/s", 8, _count),
    "flops_per_second": ("FLOP/s", 6, _count),
    "mfu": ("MFU", 5, _share),
    "data_wait_share": ("waiting", 7, _share),
    "padding_share": ("padding", 7, _share),
    "peak_memory_gib": ("GiB", 5, _plain),
}
_OF_EVALUATION = "eval_"
_NOT_SHOWN = ("_runtime", "_samples_per_second", "_steps_per_second", "_model_preparation_time")


class LogTable:
    """Rows of figures under a header that comes back now and then.

    Args:
        write: writes a line.
    """

    def __init__(self, write: Callable[[str], None]) -> None:
        self.write = write
        self._header = ""
        self._rows = 0

    def add(self, step: int, logs: Mapping[str, Any], *, max_steps: int = 0) -> None:
        """A row of training figures, a line of evaluation, or the line at the end; anything else as `name value`."""
        if "loss" in logs:
            self._add_row(step, logs, max_steps=max_steps)
        elif "train_runtime" in logs:
            loss = logs.get("train_loss")
            mean = f", mean loss {loss:.4g}" if _is_number(loss) else ""
            self.write(f"trained to step {step} in {_duration(logs['train_runtime'])}{mean}")
        elif figures := _shown(logs):
            evaluated = any(name.startswith(_OF_EVALUATION) for name in logs)
            self.write(f"{step:>8}  {'evaluation: ' if evaluated else ''}{figures}")

    def _add_row(self, step: int, logs: Mapping[str, Any], *, max_steps: int) -> None:
        parts = [name for name in logs if _is_part(name) and _is_number(logs[name])]
        names = ["loss", *parts[:_MOST_PARTS], *(name for name in _COLUMNS if _is_number(logs.get(name)))]
        cells = [f"{step:>8}"]
        headings = [f"{'step':>8}"]
        for name in names:
            heading, width, written = _COLUMNS.get(name, (name.removeprefix("loss_").replace("_", " "), 9, _plain))
            width = max(len(heading), width)
            headings.append(f"{heading:>{width}}")
            cells.append(f"{written(logs[name]):>{width}}")
        header = "  ".join(headings)
        if header != self._header or self._rows % _ROWS_TO_A_HEADER == 0:
            self.write(header + (f"   (of {max_steps} steps)" if max_steps and not self._rows else ""))
            self._header, self._rows = header, 0
        self.write("  ".join(cells))
        self._rows += 1


class TerminalTable(PrinterCallback):
    """`LogTable` on stdout, from the first process."""

    def __init__(self) -> None:
        super().__init__()
        self.table = LogTable(lambda line: print(line, flush=True))

    def on_log(
        self,
        args: TrainingArguments,
        state: TrainerState,
        control: TrainerControl,
        logs: dict[str, Any] | None = None,
        **kwargs: Any,
    ) -> None:
        if state.is_world_process_zero and logs is not None:
            self.table.add(state.global_step, logs, max_steps=state.max_steps)


class TerminalTableWithBar(ProgressCallback):
    """`LogTable` above Trainer's progress bar; the bar is drawn on a terminal alone, and never into a file."""

    def __init__(self) -> None:
        super().__init__()
        self.table = LogTable(self._write)

    def _write(self, line: str) -> None:
        if self.training_bar is not None and not self.training_bar.disable:
            self.training_bar.write(line, file=sys.stdout)
        else:
            print(line, flush=True)

    def on_train_begin(
        self, args: TrainingArguments, state: TrainerState, control: TrainerControl, **kwargs: Any
    ) -> None:
        if state.is_world_process_zero:
            # None: not where stderr is a file.
            self.training_bar = tqdm(total=state.max_steps, initial=state.global_step, dynamic_ncols=True, disable=None)
        self.current_step = state.global_step

    def on_prediction_step(
        self,
        args: TrainingArguments,
        state: TrainerState,
        control: TrainerControl,
        eval_dataloader: Any = None,
        **kwargs: Any,
    ) -> None:
        if sys.stderr.isatty():
            super().on_prediction_step(args, state, control, eval_dataloader=eval_dataloader, **kwargs)

    def on_log(
        self,
        args: TrainingArguments,
        state: TrainerState,
        control: TrainerControl,
        logs: dict[str, Any] | None = None,
        **kwargs: Any,
    ) -> None:
        if state.is_world_process_zero and logs is not None:
            self.table.add(state.global_step, logs, max_steps=state.max_steps)


def table_callback(*, with_bar: bool) -> TrainerCallback:
    """The callback in place of Trainer's own, which print dictionaries."""
    return TerminalTableWithBar() if with_bar else TerminalTable()


def _shown(logs: Mapping[str, Any]) -> str:
    figures = {
        name.removeprefix(_OF_EVALUATION): value
        for name, value in logs.items()
        if _is_number(value) and name not in ("epoch", "total_flos") and not name.endswith(_NOT_SHOWN)
    }
    at = "loss_at_"
    by_timestep = [f"{name.removeprefix(at)}: {figures.pop(name):.4g}" for name in list(figures) if name.startswith(at)]
    written = [f"{name} {value:.4g}" for name, value in figures.items()]
    if by_timestep:
        written.insert(1, f"(at {', '.join(by_timestep)})")
    return "  ".join(written)


def _is_part(name: str) -> bool:
    """Of the loss, and not one of the many by timestep."""
    return name.startswith("loss_") and not name.startswith("loss_at_") and not name.endswith(("_weight", "_scale"))


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


def _duration(seconds: float) -> str:
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours} h {minutes} min" if hours else f"{minutes} min {rest} s" if minutes else f"{seconds:.1f} s"
