"""What `heygen-hf evaluate --metrics` does: check → real clips → videos → figures → table and file."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from heygen_hf.evaluation import Measurement, MeasuringSettings
from heygen_hf.tasks.cards import refresh_card
from heygen_hf.tasks.clip_data import default_cache_dir
from heygen_hf.tasks.generation.checks import usable_device
from heygen_hf.tasks.video_metrics.given_videos import measure_given
from heygen_hf.tasks.video_metrics.networks import metric_models, metric_names
from heygen_hf.tasks.video_metrics.output_file import require_writable
from heygen_hf.tasks.video_metrics.prepared_run import prepare_run
from heygen_hf.tasks.video_metrics.processes import first_process_first, first_process_only, joined_processes
from heygen_hf.tasks.video_metrics.report import print_figures, write_figures
from heygen_hf.tasks.video_metrics.source import find_source


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
    """Measure a run's videos, those of a pipeline on the Hub, or those of a folder.

    Of a model, videos are made with the exported (averaged) weights and the sampling saved with them, video i with seed
    + i, for captions of the held-out clips (a model that follows sound: for their sound, and first frame). They are
    kept in `RUN/evaluation/generated` (of another seed, or of captions of other clips, in a folder of their own beside
    it), and none is made twice. Started in several processes (`accelerate launch`),
    each makes and measures its share, and the first one prints and writes.

    Args:
        source: a run's folder (or any exported pipeline), `USER/NAME[@REVISION]` on the Hub, or a folder of videos,
            with prompts in `metadata.jsonl`, `metadata.csv` or `.txt` files beside them.
        metrics: names of `heygen_hf.evaluation.METRICS`.
        reference: a folder of real videos; of a run by default its recipe's held-out clips. To a run's videos they are
            cut and scaled; beside a folder's they are taken as they are.
        num_videos: by default 256 of a run, all of a folder.
        seed: of a run's first video; by default its recipe's.
        allow_too_few: measure below a metric's minimum count too, which the result says.
        features: networks, see `metric_models`.
        output: where the figures are written; by default `RUN/evaluation/metrics_….json`, of a repository on the Hub
            `outputs/USER--NAME@COMMIT/evaluation/metrics_….json`, of a folder of videos nowhere.
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
    if output is not None:
        require_writable(Path(output))
    of_model = {"seed": seed, "videos_dir": videos_dir, "batch_size": batch_size}
    with joined_processes(device):
        device = str(usable_device(device))
        found = first_process_first(lambda: find_source(source))
        models = metric_models(names, features, device=device, judges=found.judges)
        settings = MeasuringSettings(allow_too_few=allow_too_few, cache_dir=default_cache_dir() / "references")
        if not found.is_run:
            _refuse_for_videos(of_model, source)
            figures, paths = measure_given(
                found, names, models, settings, reference=reference, num_videos=num_videos, output=_path(output)
            )
            return MeasuredVideos(figures, _path(output), paths)
        prepared = prepare_run(
            found,
            names,
            models,
            settings,
            features=features,
            output=output,
            reference=reference,
            num_videos=num_videos,
            seed=seed,
            batch_size=batch_size,
            device=device,
        )
        figures, paths = prepared.measure(_path(videos_dir) or prepared.run.videos_folder(found.results))
        print_figures(figures)
        first_process_only(lambda: write_figures(prepared.file, figures, prepared.facts()))
        print(f"the figures, with where each comes from: {prepared.file}")
        first_process_only(lambda: refresh_card(found.path, prepared.file))
    return MeasuredVideos(figures, prepared.file, paths)


def _refuse_for_videos(options: Mapping[str, Any], source: str | Path) -> None:
    for name, value in options.items():
        if value is not None:
            option = f"--{name.replace('_', '-')}"
            raise ValueError(f"{option} is of videos that a run makes, and {source} holds videos; leave it out")


def _path(path: str | Path | None) -> Path | None:
    return None if path is None else Path(path)
