"""What `heygen-hf evaluate --metrics` does: check → real clips → videos → figures → table and file."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from heygen_hf.evaluation import METRICS, Measurement, MeasuringSettings, VideoFiles
from heygen_hf.tasks.clip_data import default_cache_dir
from heygen_hf.tasks.run_folder import RunFolder
from heygen_hf.tasks.video_metrics.figures import check_counts, figures_of
from heygen_hf.tasks.video_metrics.given_videos import given_videos
from heygen_hf.tasks.video_metrics.networks import make_metrics, metric_models, metric_names
from heygen_hf.tasks.video_metrics.report import default_file, print_figures, write_figures
from heygen_hf.tasks.video_metrics.run_videos import RunToMeasure, open_run

_PAIRS_NOTE = "beside the real clip of the same caption, which a good model need not repeat"


@dataclass(frozen=True)
class MeasuredVideos:
    """What was measured.

    Attributes:
        figures: name → figure, in the order asked for.
        file: where they are, with where each comes from; None where none was written.
        videos: the files they are of.
    """

    figures: dict[str, Measurement]
    file: Path | None
    videos: list[Path] = field(default_factory=list)


def measure_videos(
    source: str | Path,
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
) -> MeasuredVideos:
    """Measure a run's videos, or those of a folder.

    Of a run, videos are made with the exported (averaged) weights and the sampling saved with them, video i with seed
    + i, for captions of the held-out clips. They are kept in `RUN/evaluation/generated`, and none is made twice.

    Args:
        source: a run's folder (or any exported pipeline), or a folder of videos, with prompts in `metadata.jsonl`.
        metrics: names of `heygen_hf.evaluation.METRICS`.
        reference: a folder of real videos; of a run by default its recipe's held-out clips. To a run's videos they are
            cut and scaled; beside a folder's they are taken as they are.
        num_videos: by default 256 of a run, all of a folder.
        seed: of a run's first video; by default its recipe's.
        allow_too_few: measure below a metric's minimum count too, which the result says.
        features: networks, see `metric_models`.
        output: where the figures are written; by default `RUN/evaluation/metrics_….json`, of a folder nowhere.
        videos_dir: where a run's videos are kept.
        batch_size: videos made at once; by default the recipe's.
        device: by default a GPU if there is one.

    Returns:
        The figures, and where they are.

    Raises:
        ValueError: nothing there to measure, a metric that is unknown or lacks what it needs, too few clips, or clips
            of mixed sizes, lengths or rates. Nothing is written then but videos that were finished.
    """
    names = metric_names(metrics)
    models = metric_models(names, features, device=device)
    folder = Path(source)
    is_run = _is_run(folder)
    settings = MeasuringSettings(allow_too_few=allow_too_few, cache_dir=default_cache_dir() / "references")
    if not is_run:
        for option, value in (("--seed", seed), ("--videos-dir", videos_dir), ("--batch-size", batch_size)):
            if value is not None:
                raise ValueError(f"{option} is of videos that a run makes, and {source} holds videos; leave it out")
        return _measure_given(
            folder, names, models, settings, reference=reference, num_videos=num_videos, output=_path(output)
        )
    run = open_run(
        folder,
        names,
        reference=reference,
        num_videos=num_videos,
        seed=seed,
        batch_size=batch_size,
        device=device,
    )
    ready = make_metrics(names, models, settings)
    check_counts(
        ready,
        num_videos=len(run.wanted),
        num_references=None if run.real is None else run.num_references,
        frames_per_clip=models.frames_per_clip,
        allow_too_few=allow_too_few,
    )
    return _measure_run(
        run,
        ready,
        settings,
        output=_path(output),
        videos_dir=_path(videos_dir) or run.folder.path / "evaluation" / "generated",
    )


def _measure_run(
    run: RunToMeasure, metrics: Sequence[Any], settings: MeasuringSettings, *, output: Path | None, videos_dir: Path
) -> MeasuredVideos:
    files = run.make_videos(videos_dir)
    figures = figures_of(
        metrics,
        VideoFiles(files),
        references=run.references(),
        beside=run.beside(),
        prompts=run.prompts(),
        settings=settings,
        pairs_note=_PAIRS_NOTE,
    )
    print_figures(figures)
    path = output or default_file(
        run.folder.path / "evaluation", list(figures), num_videos=len(files), seed=run.wanted[0].seed
    )
    write_figures(path, figures, {"videos": run.facts(), "references": run.reference_facts()})
    print(f"the figures, with where each comes from: {path}")
    return MeasuredVideos(figures, path, files)


def _measure_given(
    folder: Path,
    names: Sequence[str],
    models: Any,
    settings: MeasuringSettings,
    *,
    reference: str | Path | None,
    num_videos: int | None,
    output: Path | None,
) -> MeasuredVideos:
    videos, prompts = given_videos(folder, num_videos=num_videos)
    real = None if reference is None else VideoFiles(reference)
    for name in names:
        kind = METRICS[name].metric
        if kind.needs_references and real is None:
            raise ValueError(f"{name} compares with real clips: pass --reference FOLDER, or leave {name} out")
        if kind.needs_prompts and prompts is None:
            raise ValueError(
                f"{name} compares videos with their prompts: {folder} needs a metadata.jsonl with file_name and text "
                f"of each video, or leave {name} out"
            )
        if kind.needs_pairs and real is not None and len(real) != len(videos):
            raise ValueError(
                f"{name} compares each video with its reference, in the order of their names: there are {len(videos)} "
                f"videos and {len(real)} references; give as many, or leave {name} out"
            )
    ready = make_metrics(names, models, settings)
    check_counts(
        ready,
        num_videos=len(videos),
        num_references=None if real is None else len(real),
        frames_per_clip=models.frames_per_clip,
        allow_too_few=settings.allow_too_few,
    )
    figures = figures_of(
        ready,
        videos,
        references=None if real is None else real.as_references(),
        beside=real,
        prompts=prompts,
        settings=settings,
    )
    print_figures(figures)
    if output is not None:
        facts = {
            "videos": {"source": folder.resolve().name, "count": len(videos), "hash": videos.content_hash()},
            "references": None
            if real is None or reference is None
            else {"source": Path(reference).resolve().name, "count": len(real), "hash": real.content_hash()},
        }
        write_figures(output, figures, facts)
        print(f"the figures, with where each comes from: {output}")
    return MeasuredVideos(figures, output, videos.paths)


def _is_run(folder: Path) -> bool:
    """Whether a run lies there, as opposed to videos.

    Raises:
        ValueError: neither.
    """
    if not folder.exists():
        raise ValueError(f"there is nothing at {folder}; give a run's folder, or a folder of videos")
    if not folder.is_dir():
        raise ValueError(f"{folder} is a file; give a run's folder, or a folder of videos")
    run = RunFolder(folder)
    if run.model_index.is_file() or run.recipe.is_file() or run.checkpoints.is_dir() or run.model_config is not None:
        run.require_export()
        return True
    return False


def _path(path: str | Path | None) -> Path | None:
    return None if path is None else Path(path)
