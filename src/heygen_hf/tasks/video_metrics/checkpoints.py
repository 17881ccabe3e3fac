"""Metrics over a run's checkpoints: a row a checkpoint, and a picture of each figure against the step."""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from rich.console import Console
from rich.table import Table
from safetensors.torch import load_file

from heygen_hf.evaluation import Measurement, MeasuringSettings
from heygen_hf.tasks.clip_data import default_cache_dir
from heygen_hf.tasks.generation.checks import usable_device
from heygen_hf.tasks.run_folder import RunFolder, write_json
from heygen_hf.tasks.video_metrics.curves import draw_checkpoints
from heygen_hf.tasks.video_metrics.networks import metric_models, metric_names
from heygen_hf.tasks.video_metrics.output_file import require_writable
from heygen_hf.tasks.video_metrics.prepared_run import prepare_run
from heygen_hf.tasks.video_metrics.processes import first_process_first, first_process_only, joined_processes, together
from heygen_hf.tasks.video_metrics.source import Source, find_source
from heygen_hf.training.checkpoints.files import checkpoint_problem
from heygen_hf.training.checkpoints.saving import EMA_FILE

_CHECKPOINT = re.compile(r"checkpoint-(\d+)")


@dataclass(frozen=True)
class MeasuredCheckpoints:
    """What was measured.

    Attributes:
        figures: step → name → figure.
        file: where they are, with where each comes from.
        plot: where they are drawn; None without matplotlib.
    """

    figures: dict[int, dict[str, Measurement]]
    file: Path
    plot: Path | None


def measure_checkpoints(
    run: str | Path,
    metrics: Sequence[str],
    *,
    reference: str | Path | None = None,
    num_videos: int | None = None,
    seed: int | None = None,
    allow_too_few: bool = False,
    features: Sequence[str] = (),
    output: str | Path | None = None,
    videos_dir: str | Path | None = None,
    batch_size: int | None = None,
    device: str | None = None,
) -> MeasuredCheckpoints:
    """Measure each checkpoint of a run as `measure_videos` measures its export: with the same captions and seeds.

    The averaged weights are taken where a checkpoint has them. The file is written after each checkpoint, and videos
    are kept in `RUN/evaluation/checkpoints/checkpoint-N` (see `measure_videos`), so that it goes on where it stopped.

    Args:
        run: a run's folder.
        output: by default `RUN/evaluation/checkpoints_….json`; the plot lies beside it as `.png`.
        others: see `measure_videos`.

    Raises:
        ValueError: no run, or one without checkpoints; whatever `measure_videos` refuses.
    """
    names = metric_names(metrics)
    if output is not None:
        _check_output(Path(output))
    with joined_processes(device):
        device = str(usable_device(device))
        found = first_process_first(lambda: find_source(run))
        checkpoints = first_process_first(lambda: _checkpoints_of(found, run))
        models = metric_models(names, features, device=device, judges=found.judges)
        settings = MeasuringSettings(allow_too_few=allow_too_few, cache_dir=default_cache_dir() / "references")
        prepared = prepare_run(
            found,
            names,
            models,
            settings,
            features=features,
            output=output,
            of="checkpoints",
            reference=reference,
            num_videos=num_videos,
            seed=seed,
            batch_size=batch_size,
            device=device,
        )
        model, file = prepared.run.pipeline.transformer, prepared.file
        videos = (
            Path(videos_dir) if videos_dir is not None else prepared.run.videos_folder(found.results, "checkpoints")
        )

        figures: dict[int, dict[str, Measurement]] = {}
        rows: list[dict[str, Any]] = []
        for step, checkpoint in checkpoints.items():
            print(f"{checkpoint.name}: {list(checkpoints).index(step) + 1} of {len(checkpoints)}")
            kind = together(lambda checkpoint=checkpoint: load_weights(model, checkpoint))
            figures[step], _ = prepared.measure(videos / checkpoint.name)
            facts = prepared.facts()
            written = {name: figure.to_dict() for name, figure in figures[step].items()}
            rows.append({"step": step, "averaged": kind == "averaged", "videos": facts["videos"], "metrics": written})
            values = {"references": facts["references"], "checkpoints": rows}
            first_process_only(lambda values=values: write_json(file, values))
        print_checkpoints(figures)
        print(f"the figures, with where each comes from: {file}")
        plot = file.with_suffix(".png")
        first_process_only(lambda: draw_checkpoints(plot, figures))
    return MeasuredCheckpoints(figures, file, plot if plot.is_file() else None)


def _check_output(file: Path) -> None:
    require_writable(file)
    if file.suffix == ".png":
        raise ValueError(f"--output {file} is where the plot would lie; give it as {file.with_suffix('.json')}")


def _checkpoints_of(source: Source, run: str | Path) -> dict[int, Path]:
    """Step → whole checkpoint, in order.

    Raises:
        ValueError: there is none.
    """
    if source.facts:
        raise ValueError(f"--checkpoints is of a run's own folder, and {run} is on the Hub; leave it out")
    if not source.is_run:
        raise ValueError(f"--checkpoints is of a run, and {run} holds videos; leave it out")
    found = {}
    for path in RunFolder(source.path).checkpoints.glob("checkpoint-*"):
        match = _CHECKPOINT.fullmatch(path.name)
        if match is None:
            continue
        problem = checkpoint_problem(path)
        if problem is None:
            found[int(match[1])] = path
        else:
            print(f"warning: {path.name} is left out: {problem}")
    if not found:
        raise ValueError(
            f"{run} holds no whole checkpoint to measure: train with training.save_steps (and a training."
            "save_total_limit above 1), or leave --checkpoints out"
        )
    return dict(sorted(found.items()))


def load_weights(model: torch.nn.Module, checkpoint: Path) -> str:
    """Put a checkpoint's weights into a pipeline's network; "averaged" or "raw", as they are.

    Raises:
        ValueError: they are of another network.
    """
    saved: dict[str, torch.Tensor] = {}
    for file in sorted(checkpoint.glob("model*.safetensors")):
        saved |= load_file(file)
    average = checkpoint / EMA_FILE
    if average.is_file():
        saved |= load_file(average)
    own = model.state_dict()
    # beside an adapter nothing was trained
    trained = {name for name in own if ".lora_" in name} or own.keys()
    fitting = {name: tensor for key, tensor in saved.items() if (name := _name_in(own, key)) is not None}
    odd = sorted(trained - fitting.keys()) or [
        name for name, tensor in fitting.items() if tensor.shape != own[name].shape
    ]
    if odd:
        raise ValueError(
            f"{checkpoint.name} does not fit the run's exported model (its {odd[0]}); they are of different trainings"
        )
    model.load_state_dict(fitting, strict=trained == own.keys())
    return "averaged" if average.is_file() else "raw"


def _name_in(names: Mapping[str, Any], key: str) -> str | None:
    """The trainer's model may hold the exported network as one of its parts."""
    while key not in names:
        _, dot, key = key.partition(".")
        if not dot:
            return None
    return key


def print_checkpoints(figures: Mapping[int, Mapping[str, Measurement]]) -> None:
    """A row a checkpoint."""
    table = Table(title="Checkpoints (95 % intervals)")
    table.add_column("step", justify="right")
    for name, figure in next(iter(figures.values())).items():
        table.add_column(name + {True: " ↑", False: " ↓", None: ""}[figure.higher_is_better])
    for step, row in figures.items():
        table.add_row(str(step), *(_cell(figure) for figure in row.values()))
    console = Console()
    console.print(table)
    last = next(reversed(figures.values()))
    for name, figure in last.items():
        if figure.below_minimum:
            console.print(f"{name}: below the minimum count ({figure.minimum_count}): it means little", soft_wrap=True)


def _cell(figure: Measurement) -> str:
    interval = "" if figure.interval is None else f" [{figure.interval[0]:.4g}, {figure.interval[1]:.4g}]"
    return f"{figure.value:.4g}{interval}"
