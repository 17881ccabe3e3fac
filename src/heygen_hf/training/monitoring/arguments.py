"""Arguments of what a run says about itself."""

from dataclasses import dataclass
from pathlib import Path

from heygen_hf._optional import OPTIONAL_DEPENDENCIES, require


@dataclass
class MonitoringArguments:
    """What is logged, how often and where to. Mixed into `TrainingArguments`.

    Every entry has the loss and its parts, the gradient norm, the learning rate, samples and tokens a second, FLOP a
    second and the share of the device's peak (`mfu`), the shares of waiting and padding, and the peak memory.

    Args:
        report_to: where the figures go beside the terminal and `log.jsonl`: "tensorboard" (`RUN/tensorboard`), "mlflow"
            (`RUN/mlflow.db` unless MLFLOW_TRACKING_URI says otherwise), "wandb" (`RUN/wandb`), "trackio"
            (where `trackio show` finds it), or several of them.
        run_name: the run's name there; by default that of the run's folder.
        histogram_steps: every so many optimiser steps, histograms of the activations and gradients of each block go to
            `RUN/histograms.jsonl`; 0 for never.
        find_nonfinite: watch every layer, so that the message about a loss that is no number names the first one to
            blame. Slow: the device is waited for at each layer, and nothing is compiled.
        logging_nan_inf_filter: Trainer's; off, as a run stops at a loss that is no number.
    """

    logging_steps: float = 50
    logging_nan_inf_filter: bool = False
    eval_strategy: str = "steps"
    eval_steps: float | None = 500
    report_to: str | list[str] | None = "none"
    run_name: str | None = None
    histogram_steps: int = 0
    find_nonfinite: bool = False

    def __post_init__(self) -> None:
        trackers = [self.report_to] if isinstance(self.report_to, str) else self.report_to or []
        for name in trackers:
            if name in OPTIONAL_DEPENDENCIES:
                require(name)
        if self.histogram_steps < 0:
            raise ValueError(f"histogram_steps={self.histogram_steps} must be at least 0 (0 makes no histograms).")
        if self.find_nonfinite:
            self.compile_blocks = "never"
        super().__post_init__()  # type: ignore[misc]
        if self.run_name is None or self.run_name == self.output_dir:  # type: ignore[attr-defined]
            self.run_name = self.run_folder.resolve().name

    @property
    def run_folder(self) -> Path:
        """Where the run's records lie: beside its `checkpoints` where `output_dir` is that, else in `output_dir`."""
        folder = Path(self.output_dir)  # type: ignore[attr-defined]
        return folder.parent if folder.name == "checkpoints" else folder
