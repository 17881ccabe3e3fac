"""A run's folder: what lies where, and whether it may be written to."""

import json
import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from heygen_hf.hub.card import CHECKS_FILE, measured_files
from heygen_hf.training.checkpoints.files import REPLACED, tidy_checkpoints
from heygen_hf.training.checkpoints.lock import only_writer


@dataclass(frozen=True)
class RunFolder:
    """`outputs/<recipe>/`: the exported model at its root, in the layout that would be published, and its history."""

    path: Path

    @property
    def recipe(self) -> Path:
        """The recipe as resolved: base, overrides and defaults written out."""
        return self.path / "recipe.yaml"

    @property
    def log(self) -> Path:
        """One JSON object a line: everything logged while training."""
        return self.path / "log.jsonl"

    @property
    def histograms(self) -> Path:
        """One JSON object a line: activations and gradients of each block, where `histogram_steps` asks for them."""
        return self.path / "histograms.jsonl"

    @property
    def facts(self) -> Path:
        """What the run was: data, hardware, time, versions; the card is written from it."""
        return self.path / "run.json"

    @property
    def metrics(self) -> Path:
        """The final figures, each with its count and interval."""
        return self.path / "metrics.json"

    @property
    def card(self) -> Path:
        """The model card; written last of all, so that a run without it is not finished."""
        return self.path / "README.md"

    @property
    def samples(self) -> Path:
        """Videos made while training and for the card."""
        return self.path / "samples"

    @property
    def checkpoints(self) -> Path:
        """`checkpoint-N/` folders."""
        return self.path / "checkpoints"

    @property
    def judges(self) -> Path:
        """The classifiers that judge generated videos, and how good they are on real ones."""
        return self.path / "evaluation" / "judges"

    @property
    def model_index(self) -> Path:
        """diffusers' index of the exported pipeline: there when the export is finished."""
        return self.path / "model_index.json"

    @property
    def base_pipeline(self) -> Path:
        """What a fine-tuning of a published pipeline belongs to: there when the export is finished."""
        return self.path / "base_pipeline.json"

    @property
    def makes_videos(self) -> bool:
        """Whether a finished export lies here that makes videos: a pipeline, or an adapter of one."""
        return self.model_index.is_file() or self.base_pipeline.is_file()

    def prepare(self, *, resume: bool, overwrite: bool) -> None:
        """Make the folder, or say why it cannot be used.

        Raises:
            ValueError: it holds a run already and neither `resume` nor `overwrite` was asked for, it holds files that
                are no run, or another process trains in it.

        A recipe alone is no run: it stopped before its first checkpoint, and may start again. What a kill left in the
        middle of a write is taken away.
        """
        if self.path.exists() and not self.path.is_dir():
            raise ValueError(f"output_dir {self.path} is a file; give another output_dir.")
        files = sorted(self.path.iterdir()) if self.path.is_dir() else []
        held = [path for path in files if not _is_half_written(path)]
        own = {self.recipe.name, self.log.name, self.histograms.name, self.samples.name, self.checkpoints.name}
        own |= {"tensorboard", "mlflow.db", "wandb", "report.html"}  # of what the run reports to
        saved = (*self.checkpoints.glob("checkpoint-*"), *self.checkpoints.glob(f"{REPLACED}/checkpoint-*"))
        is_run = not {path.name for path in held} <= own or bool(saved)
        if is_run and not self.recipe.is_file():
            raise ValueError(f"output_dir {self.path} holds other files ({held[0].name}, …); give another output_dir.")
        if is_run and not (resume or overwrite):
            raise ValueError(
                f"{self.path} already holds a run: continue it with --resume auto, replace it with --overwrite, or "
                "give another output_dir."
            )
        with only_writer(self.checkpoints):
            if is_run and overwrite:
                shutil.rmtree(self.path)
            elif self.recipe.is_file():
                tidy_checkpoints(self.checkpoints)
        self.path.mkdir(parents=True, exist_ok=True)
        for path in set(files) - set(held):
            path.unlink(missing_ok=True)

    def drop_results(self) -> None:
        """Remove figures and card: those of other weights must not stand beside new ones."""
        for path in (self.path / name for name in measured_files(self.path)):
            path.unlink(missing_ok=True)
        (self.path / CHECKS_FILE).unlink(missing_ok=True)
        self.metrics.unlink(missing_ok=True)
        self.card.unlink(missing_ok=True)

    @property
    def model_config(self) -> Path | None:
        """Of an exported model or adapter that is no pipeline; None where there is none."""
        found = (self.path / name for name in ("config.json", "adapter_config.json"))
        return next((path for path in found if path.is_file()), None)

    def require_finished_model(self) -> Path:
        """`model_config` of a finished run.

        Raises:
            ValueError: there is none, or no recipe.
        """
        config = self.model_config
        if config is None or not self.recipe.is_file():
            raise ValueError(
                f"{self.path} holds no finished run (no exported model, or no recipe.yaml): train one with heygen-hf "
                "train RECIPE, or finish it with --resume auto."
            )
        return config

    def reads_captions(self) -> bool:
        """Whether the exported pipeline has a tokenizer; True where there is no export to ask."""
        index = read_json(self.model_index)
        return not index or bool((index.get("tokenizer") or [None])[0])

    def require_export(self) -> None:
        """Raise a `ValueError` unless an exported model lies here."""
        if not self.path.is_dir():
            raise ValueError(f"there is no run at {self.path}; train one with heygen-hf train RECIPE.")
        if self.model_config is not None:
            raise ValueError(f"{self.path} holds a model that makes no videos; its README.md says how to use it.")
        if not self.makes_videos and not (self.recipe.is_file() or self.checkpoints.is_dir()):
            raise ValueError(
                f"{self.path} is no run (no model_index.json, recipe.yaml or checkpoints in it); name the folder that "
                "heygen-hf train RECIPE made."
            )
        if not self.makes_videos:
            raise ValueError(
                f"{self.path} holds no exported model (no model_index.json): its training has not finished; continue "
                "it with heygen-hf train RECIPE --resume auto."
            )


@dataclass(frozen=True)
class TrainedRun:
    """What `run` leaves behind.

    Attributes:
        folder: the run's folder.
        metrics: the figures of `metrics.json`; empty when the recipe evaluates nothing.
    """

    folder: Path
    metrics: dict[str, Any]


def remove_if_empty(path: Path) -> None:
    """Remove a folder in which nothing lies; one that holds something, or is not there, stays as it is."""
    with suppress(OSError):
        path.rmdir()


@contextmanager
def no_empty_folder_left(path: Path) -> Iterator[None]:
    """Where something fails inside, take away the folder, and those above it, if they are new and empty."""
    new = [folder for folder in (path, *path.parents) if not folder.exists()]
    try:
        yield
    except BaseException:
        for folder in new:
            remove_if_empty(folder)
        raise


def write_text(path: Path, text: str) -> None:
    """Write beside and rename, so that a reader never sees half a file."""
    path.parent.mkdir(parents=True, exist_ok=True)
    beside = path.with_name(f".{path.name}.tmp")
    with beside.open("w", encoding="utf-8") as file:
        file.write(text)
        file.flush()
        os.fsync(file.fileno())
    beside.replace(path)


def _is_half_written(path: Path) -> bool:
    """Whether it is what `write_text` leaves when it is killed."""
    return path.name.startswith(".") and path.name.endswith(".tmp")


def write_bytes(path: Path, data: bytes) -> None:
    """As `write_text`."""
    path.parent.mkdir(parents=True, exist_ok=True)
    beside = path.with_name(f".{path.name}.tmp")
    beside.write_bytes(data)
    beside.replace(path)


def write_json(path: Path, values: dict[str, Any]) -> None:
    """`write_text` of indented JSON."""
    write_text(path, json.dumps(values, indent=2, ensure_ascii=False) + "\n")


def read_json(path: Path) -> dict[str, Any]:
    """What `write_json` wrote; an empty dict when the file is not there."""
    return json.loads(path.read_text(encoding="utf-8")) if path.is_file() else {}
