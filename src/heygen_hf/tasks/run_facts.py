"""What a run was: data, size, time, hardware, versions; cards are written from it."""

import os
import platform
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

import torch
from accelerate.utils import gather_object

from heygen_hf.data import DataReport
from heygen_hf.tasks.energy import GpuEnergy, energy_facts
from heygen_hf.tasks.package_commit import package_commit
from heygen_hf.training import BaseTrainer

_PACKAGES = ("heygen_hf", "torch", "transformers", "diffusers", "accelerate", "datasets", "peft")


def train_run(
    trainer: BaseTrainer,
    *,
    checkpoint: Path | None,
    data_name: str,
    reports: Mapping[str, DataReport | Mapping[str, Any]],
    command: Sequence[str] | None,
) -> dict[str, Any] | None:
    """Train, from a checkpoint where one is given, and say what the run was; None in all processes but the first."""
    meter = RunMeter()
    trainer.train(resume_from_checkpoint=None if checkpoint is None else str(checkpoint))
    spent = meter.stop()
    trainer.end_sharding()
    if not trainer.is_world_process_zero():
        return None
    return training_facts(trainer, data_name=data_name, reports=reports, spent=spent, command=command)


@dataclass(frozen=True)
class Spent:
    """What training took: wall time, the GPUs' energy (None where nothing counts it), and the commit it ran from."""

    seconds: float
    energy: Mapping[str, Any] | None
    commit: Mapping[str, Any] | None


class RunMeter:
    """Make it before training, in every process; `stop` it in every process."""

    def __init__(self) -> None:
        self._commit = package_commit()  # now, while the files are those that this process loaded
        self._energy = GpuEnergy()
        self._started = time.perf_counter()

    def stop(self) -> Spent:
        """What was taken since; the energy is that of all processes' GPUs."""
        seconds, joules = time.perf_counter() - self._started, self._energy.joules()
        return Spent(seconds, energy_facts(gather_object([-1.0 if joules is None else joules])), self._commit)


def training_facts(
    trainer: BaseTrainer,
    *,
    data_name: str,
    reports: Mapping[str, DataReport | Mapping[str, Any]],
    spent: Spent,
    command: Sequence[str] | None,
) -> dict[str, Any]:
    """For `run.json`. A resumed run's whole time and energy are unknown; the time of its last part is given."""
    resumed = trainer.initial_step > 0
    as_plain = {name: dict(r) if isinstance(r, Mapping) else r.to_dict() for name, r in reports.items()}
    for report in as_plain.values():
        # A path of this machine, in a folder that gets published.
        report.pop("store_path", None)
    losses = {entry["step"]: entry["eval_loss"] for entry in trainer.state.log_history if "eval_loss" in entry}
    exported_step = trainer.state.best_global_step if trainer.args.load_best_model_at_end else max(losses, default=None)
    return {
        "command": list(command) if command else None,
        "data": data_name,
        "reports": as_plain,
        "replaced_clips": trainer.replaced_clips,
        "num_parameters": sum(weight.numel() for weight in trainer.model.parameters()),
        "steps": trainer.state.global_step,
        "samples_seen": trainer.state.global_step * trainer.global_batch_size,
        "training_seconds": None if resumed else round(spent.seconds, 1),
        "resumed_at_step": trainer.initial_step if resumed else None,
        "seconds_since_resumed": round(spent.seconds, 1) if resumed else None,
        "validation_loss": losses.get(exported_step),
        "energy": None if resumed or spent.energy is None else dict(spent.energy),
        "commit": None if spent.commit is None else dict(spent.commit),
        "hardware": hardware(trainer),
        "versions": package_versions(),
    }


def hardware(trainer: BaseTrainer) -> dict[str, Any]:
    """The machine by kind, never by name."""
    found: dict[str, Any] = {"processes": trainer.args.world_size, "precision": precision(trainer)}
    if torch.cuda.is_available():
        found["gpu"] = torch.cuda.get_device_name()
    found["cpu"] = f"{os.cpu_count()} cores, {platform.machine()}"
    return found


def precision(trainer: BaseTrainer) -> str:
    """What the matrix products were computed in."""
    return "bfloat16" if trainer.args.bf16 else "float16" if trainer.args.fp16 else "float32"


def package_versions() -> dict[str, str]:
    """Versions of the packages that matter, where they are known."""
    found = {"python": platform.python_version()}
    for package in _PACKAGES:
        try:
            found[package] = version(package)
        except PackageNotFoundError:
            continue
    return found
