"""What the `evaluate` modules of clips have in common.

`evaluate` writes predictions to Arrow tables, as nested lists of numbers; a video as such takes many times its bytes,
twice. These modules take clips as they are and measure them as they come: `add_batch` looks at the clips and forgets
them.
"""

from collections.abc import Callable, Iterable
from typing import Any

import datasets
import evaluate
import torch

from heygen_hf.evaluation.clip_stream import ClipShape, read_batches
from heygen_hf.evaluation.measuring import MeasuringSettings
from heygen_hf.evaluation.registry.metric import ClipMetric, MetricContext

CLIPS_INPUTS = """
Args:
    predictions: generated clips, each uint8 or floating point in [0, 1] (frames, channels, height, width); any
        iterable, or one tensor of them all.
    references: real clips of the same size{references}.
    features: the network to look through: "embedded", a folder, a Hub name, or an object (where the metric has one).
    **settings: of `MeasuringSettings`, such as seed, allow_too_few=True, cache_dir.

Returns:
    the dictionary of a `Measurement`, whose "value" stands under the metric's name too.
"""


def clip_metric_info(description: str, *, paired: bool = False) -> evaluate.MetricInfo:
    """What `evaluate` shows of a module."""
    frame = datasets.Sequence(datasets.Sequence(datasets.Sequence(datasets.Value("float32"))))
    clip = datasets.Sequence(frame)
    references = ", the one of each clip, in order" if paired else ""
    return evaluate.MetricInfo(
        description=description,
        citation="",
        inputs_description=CLIPS_INPUTS.format(references=references),
        features=datasets.Features({"predictions": clip, "references": clip}),
    )


class ClipEvaluateModule(evaluate.Metric):
    """A metric of clips for `evaluate`; a subclass says which by `make` and describes itself by `_info`."""

    def make(self, *, settings: MeasuringSettings, **options: Any) -> ClipMetric:
        """The metric with its networks."""
        raise NotImplementedError

    def add(self, *, prediction: Any = None, reference: Any = None, **options: Any) -> None:
        """Take in one clip, and its reference."""
        self.add_batch(
            predictions=None if prediction is None else [prediction],
            references=None if reference is None else [reference],
            **options,
        )

    def add_batch(
        self, *, predictions: Iterable[Any] | None = None, references: Iterable[Any] | None = None, **options: Any
    ) -> None:
        """Take in some clips, and references; options are those of `compute`, and count from the first call on."""
        metric = self._started(options)
        prompts = options.get("prompts")
        if metric.needs_pairs and predictions is not None and references is not None:
            theirs = self._batches(references, "reference")
            for ours in self._batches(predictions, "generated"):
                other = next(theirs, None)
                if other is None or len(other.indices) != len(ours.indices):
                    raise ValueError(f"{metric.name} needs the reference of each clip; give as many as clips")
                metric.update_pairs(ours, other)
            return
        if predictions is not None:
            for batch in self._batches(predictions, "generated", prompts=prompts):
                metric.update(batch)
        if references is not None:
            for batch in self._batches(references, "reference"):
                metric.update_references(batch)

    def compute(
        self, *, predictions: Iterable[Any] | None = None, references: Iterable[Any] | None = None, **options: Any
    ) -> dict[str, Any]:
        """Measure what was added, and what is given here."""
        self.add_batch(predictions=predictions, references=references, **options)
        metric = self._started({})
        try:
            measurement = metric.measure(MetricContext(shape=self._shape))
        finally:
            self._metric = None
        return {metric.name: measurement.value, **measurement.to_dict()}

    _metric: ClipMetric | None = None
    _shape: ClipShape | None = None
    _taken: dict[str, int]

    def _started(self, options: dict[str, Any]) -> ClipMetric:
        if self._metric is None:
            given = {name: value for name, value in options.items() if name != "prompts"}
            known = MeasuringSettings.__dataclass_fields__
            settings = MeasuringSettings(**{name: given.pop(name) for name in list(given) if name in known})
            self._metric = self.make(settings=settings, **given)
            self._shape, self._taken = None, {"generated": 0, "reference": 0}
        return self._metric

    def _batches(self, clips: Iterable[Any], name: str, *, prompts: Any = None) -> Any:
        assert self._metric is not None
        size = self._metric.settings.batch_size
        for batch in read_batches(clips, batch_size=size, name=name, prompts=prompts, like=self._shape):
            self._shape = batch.shape
            batch.indices = torch.arange(self._taken[name], self._taken[name] + len(batch.indices))
            self._taken[name] += len(batch.indices)
            yield batch


def measured(
    make: Callable[..., ClipMetric],
    generated: Iterable[Any],
    references: Iterable[Any] | None,
    *,
    prompts: Any = None,
    settings: dict[str, Any],
) -> Any:
    """One metric of clips as a plain function; see `compute_metrics`."""
    from heygen_hf.evaluation.registry.compute import compute_metrics

    chosen = MeasuringSettings(**settings)
    metric = make(settings=chosen)
    return compute_metrics([metric], generated, references, prompts=prompts, settings=chosen)[metric.name]
