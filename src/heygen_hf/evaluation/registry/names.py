"""The metrics by name: what each needs, and how it is made."""

import difflib
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from heygen_hf.evaluation.measuring import MeasuringSettings
from heygen_hf.evaluation.registry.audio_averages import AudioVideoSync
from heygen_hf.evaluation.registry.distances import (
    ContentDebiasedFVD,
    FrechetInceptionDistance,
    FrechetVideoDistance,
    Jedi,
)
from heygen_hf.evaluation.registry.metric import ClipMetric
from heygen_hf.evaluation.registry.models import MetricModels
from heygen_hf.evaluation.registry.paired_averages import IdentitySimilarity, PerceptualDistance, Psnr, Ssim
from heygen_hf.evaluation.registry.scores import InceptionScore
from heygen_hf.evaluation.registry.single_averages import (
    ClipScore,
    DynamicDegree,
    MotionSmoothness,
    SubjectConsistency,
    TemporalConsistency,
    TemporalFlicker,
)

_MODULES = Path(__file__).resolve().parents[1] / "metrics"


@dataclass(frozen=True)
class MetricEntry:
    """A metric of the registry.

    Attributes:
        metric: its class, which says what it needs.
        make: from the networks and the settings; networks are loaded here.
        summary: a line for a help text.
        module: the name of its `evaluate` module.
    """

    metric: type[ClipMetric]
    make: Callable[[MetricModels, MeasuringSettings], ClipMetric]
    summary: str
    module: str

    @property
    def name(self) -> str:
        return self.metric.name


def _entry(
    metric: type[ClipMetric],
    make: Callable[[MetricModels, MeasuringSettings], ClipMetric],
    summary: str,
    module: str = "",
) -> MetricEntry:
    return MetricEntry(metric, make, summary, module or metric.name)


_ENTRIES = (
    _entry(
        FrechetVideoDistance,
        lambda models, settings: FrechetVideoDistance(models.video(), settings=settings),
        "Fréchet distance of clips' features to the references'",
    ),
    _entry(
        ContentDebiasedFVD,
        lambda models, settings: ContentDebiasedFVD(models.debiased(), settings=settings),
        "the same with VideoMAE's features, which see motion as well as content",
    ),
    _entry(
        Jedi,
        lambda models, settings: Jedi(models.jedi(), settings=settings),
        "100 x polynomial MMD of clips' features, which needs fewer clips",
    ),
    _entry(
        FrechetInceptionDistance,
        lambda models, settings: FrechetInceptionDistance(
            models.images(num_frames=models.frames_per_clip), settings=settings
        ),
        "Fréchet distance of frames' features to the references'",
    ),
    _entry(
        InceptionScore,
        lambda models, settings: InceptionScore(models.classes(), settings=settings),
        "how sure and how many a classifier's classes are",
        "inception_score",
    ),
    _entry(Psnr, lambda _, settings: Psnr(settings=settings), "peak signal-to-noise ratio to each clip's reference"),
    _entry(Ssim, lambda _, settings: Ssim(settings=settings), "structural similarity to each clip's reference"),
    _entry(
        PerceptualDistance,
        lambda models, settings: PerceptualDistance(models.perceptual_network, settings=settings),
        "distance to each clip's reference in a network's activations",
    ),
    _entry(
        TemporalFlicker,
        lambda _, settings: TemporalFlicker(settings=settings),
        "how little neighbouring frames differ",
    ),
    _entry(
        MotionSmoothness,
        lambda models, settings: MotionSmoothness(models.interpolate, settings=settings),
        "how well every second frame follows from its neighbours",
    ),
    _entry(
        DynamicDegree,
        lambda models, settings: DynamicDegree(models.estimate_flow, settings=settings),
        "share of clips that move",
    ),
    _entry(
        SubjectConsistency,
        lambda models, settings: SubjectConsistency(models.images(), settings=settings),
        "how much frames look like the first and the one before",
    ),
    _entry(
        TemporalConsistency,
        lambda models, settings: TemporalConsistency(models.images(), settings=settings),
        "how much neighbouring frames look alike",
    ),
    _entry(
        ClipScore,
        lambda models, settings: ClipScore(models.texts(), settings=settings),
        "cosine of each clip and its prompt",
    ),
    _entry(
        AudioVideoSync,
        lambda models, settings: AudioVideoSync(models.picture_signal, settings=settings),
        "how much what is seen moves with what is heard",
    ),
    _entry(
        IdentitySimilarity,
        lambda models, settings: IdentitySimilarity(models.identities(), settings=settings),
        "cosine of faces' embeddings to the reference's",
    ),
)

METRICS: dict[str, MetricEntry] = {entry.name: entry for entry in _ENTRIES}
"""Name → metric, as `heygen-hf evaluate --metrics` takes them."""

_ALIASES = {"inception_score": "is", "cd_fvd": "content_debiased_fvd"}


def metric_entry(name: str) -> MetricEntry:
    """The metric of this name.

    Raises:
        ValueError: there is none; the message has the nearest.
    """
    known = _ALIASES.get(name, name)
    if known not in METRICS:
        near = difflib.get_close_matches(name, [*METRICS, *_ALIASES], n=1)
        meant = f"; did you mean {near[0]}?" if near else ""
        raise ValueError(f"there is no metric {name!r}{meant} Known are {', '.join(METRICS)}.".replace("' K", "'. K"))
    return METRICS[known]


def metric_path(name: str) -> str:
    """The folder of an `evaluate` module: `evaluate.load(metric_path("fvd"))`.

    Every metric of the registry has one, and so have the metrics of texts, of retrieval and of sound and picture.

    Raises:
        ValueError: there is none of this name.
    """
    module = METRICS[known].module if (known := _ALIASES.get(name, name)) in METRICS else name
    folder = _MODULES / module
    if not (folder / f"{module}.py").is_file():
        there = sorted(path.name for path in _MODULES.iterdir() if (path / f"{path.name}.py").is_file())
        raise ValueError(f"there is no metric {name!r}; known are {', '.join(there)}")
    return str(folder)
