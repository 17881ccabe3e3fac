"""What a user may say about checks."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from heygen_hf.evaluation import MetricModels
from heygen_hf.evaluation.registry.averages import AverageOverClips
from heygen_hf.evaluation.registry.names import METRICS
from heygen_hf.tasks.responsible_checks.document import CHECKS
from heygen_hf.tasks.video_metrics.networks import metric_models, metric_names

MAX_CLIPS = 1024  # held-out clips that are looked at, and inputs of a classifier's corruption


@dataclass(frozen=True, kw_only=True)
class CheckOptions:
    """See `run_checks`."""

    checks: tuple[str, ...]
    groups: tuple[str, ...] | None = None
    metrics: tuple[str, ...] = ()
    paraphrases: str | Path | None = None
    training_data: str | Path | None = None
    reference: str | Path | None = None
    num_videos: int | None = None
    seed: int | None = None
    video_features: str = "embedded"
    models: MetricModels | None = None
    batch_size: int | None = None
    device: str | None = None
    videos_dir: str | Path | None = None

    @property
    def draw_seed(self) -> int:
        """Of bootstrap, shuffling and corruption."""
        return 0


def check_names(checks: Sequence[str]) -> tuple[str, ...]:
    """The checks asked for, `a,b` or one a string, each once, in their own order.

    Raises:
        ValueError: there is none of that name, or there are none.
    """
    asked = [name.strip() for each in checks for name in each.split(",") if name.strip()]
    unknown = next((name for name in asked if name not in CHECKS), None)
    if unknown is not None:
        raise ValueError(f"there is no check {unknown!r}; known are {', '.join(CHECKS)}")
    if not asked:
        raise ValueError(f"--checks names none; give one or more of {', '.join(CHECKS)}")
    return tuple(name for name in CHECKS if name in asked)


def column_names(groups: Sequence[str] | None) -> tuple[str, ...] | None:
    """Columns, `a,b` or one a string, each once."""
    if groups is None:
        return None
    asked = tuple(dict.fromkeys(name.strip() for each in groups for name in each.split(",") if name.strip()))
    if not asked:
        raise ValueError("--groups names no column; give one or more, such as colour,digit")
    return asked


def per_clip_metrics(
    metrics: Sequence[str], features: Sequence[str], *, device: str | None
) -> tuple[tuple[str, ...], str, MetricModels]:
    """Names of the metrics that each clip has a figure of, the network of videos, and the others' networks.

    Raises:
        ValueError: a metric of whole sets, or of pairs; networks that nothing looks through.
    """
    names = metric_names(metrics) if metrics else []
    for name in names:
        if not issubclass(METRICS[name].metric, AverageOverClips):
            each = ", ".join(known for known, entry in METRICS.items() if issubclass(entry.metric, AverageOverClips))
            raise ValueError(f"{name} is no figure of one video by itself; to compare groups give some of {each}")
    video = [given for given in features if "=" not in given]
    if len(video) > 1:
        raise ValueError(f"--features names {' and '.join(video)} for one thing; keep one of them")
    others = [given for given in features if "=" in given]
    if any(given.startswith("clip_score=") for given in others) and "clip_score" not in names:
        names.append("clip_score")
    return tuple(names), video[0] if video else "embedded", metric_models(names, others, device=device)
