"""A run with all that is needed to measure it: what can be refused is refused before a video is made."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from heygen_hf.evaluation import ClipMetric, Measurement, MeasuringSettings, MetricModels
from heygen_hf.tasks.video_metrics.figures import check_counts, figures_of
from heygen_hf.tasks.video_metrics.networks import make_metrics
from heygen_hf.tasks.video_metrics.output_file import require_writable
from heygen_hf.tasks.video_metrics.processes import first_process_first
from heygen_hf.tasks.video_metrics.report import default_file
from heygen_hf.tasks.video_metrics.run_to_measure import RunToMeasure
from heygen_hf.tasks.video_metrics.run_videos import open_run
from heygen_hf.tasks.video_metrics.source import Source

_OF_CAPTIONS = "beside the real clip of the same caption, which a good model need not repeat"


@dataclass(frozen=True)
class PreparedRun:
    """See the module.

    Attributes:
        file: where the figures are to be written.
    """

    source: Source
    run: RunToMeasure
    names: Sequence[str]
    models: MetricModels
    settings: MeasuringSettings
    file: Path

    def measure(self, videos_dir: Path) -> tuple[dict[str, Measurement], list[Path]]:
        """Make the videos that are not there yet, and measure them: figures and files."""
        run = self.run
        files = run.make_videos(videos_dir)
        figures = figures_of(
            self.metrics(),
            run.measured(files),
            references=run.references(),
            beside=run.beside(),
            prompts=run.prompts(),
            sounds=run.sounds(),
            settings=self.settings,
            pairs_note=_OF_CAPTIONS if run.heard is None else _of_clips(run.heard.paired_by),
        )
        return figures, files

    def metrics(self) -> list[ClipMetric]:
        """With their networks loaded."""
        return make_metrics(self.names, self.models, self.settings)

    def facts(self) -> dict[str, Any]:
        """How the videos were made, of what, and beside which clips."""
        return {
            "videos": {"source": self.source.name, **self.source.facts, **self.run.facts()},
            "references": self.run.reference_facts(),
        }


def prepare_run(
    source: Source,
    names: Sequence[str],
    models: MetricModels,
    settings: MeasuringSettings,
    *,
    features: Sequence[str],
    output: str | Path | None,
    of: Literal["metrics", "checkpoints"] = "metrics",
    **asked: Any,
) -> PreparedRun:
    """Load a run's model, find its real clips and load the metrics' networks.

    Args:
        features: as the user names them, for the name of the file.
        of: what the file is named after.
        asked: `reference`, `num_videos`, `seed`, `batch_size` and `device` as `open_run` takes them.

    Raises:
        ValueError: too few clips, a network that does not load, or a file that cannot be written.
    """
    run = first_process_first(lambda: open_run(source.path, names, **asked))
    file = Path(output) if output is not None else None
    file = file or default_file(
        source.results,
        names,
        num_videos=len(run.wanted),
        seed=run.wanted[0].seed,
        reference=run.reference,
        features=features,
        of=of,
    )
    require_writable(file)
    prepared = PreparedRun(source, run, names, models, settings, file)
    check_counts(
        first_process_first(prepared.metrics),
        num_videos=len(run.wanted),
        num_references=None if run.real is None else run.num_references,
        frames_per_clip=models.frames_per_clip,
        allow_too_few=settings.allow_too_few,
    )
    return prepared


def _of_clips(what: str) -> str:
    return f"beside the real clip whose {what} the video was made of"
