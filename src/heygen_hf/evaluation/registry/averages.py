"""Metrics that are the mean of one figure a clip."""

from abc import abstractmethod
from collections.abc import Mapping
from typing import Any, ClassVar

import numpy as np
import torch

from heygen_hf.evaluation.clip_stream import ClipBatch
from heygen_hf.evaluation.features import TextVideoFeatures, VideoFeatures
from heygen_hf.evaluation.measuring import Measurement, MeasuringSettings, halves, mean_bootstrap_interval
from heygen_hf.evaluation.registry.metric import ClipMetric, MetricContext, with_prefix, without_prefix


class AverageOfFigures(ClipMetric):
    """One number a clip is kept, and nothing else; a subclass says what it is made of."""

    minimum_count: ClassVar[int] = 1
    features: VideoFeatures | TextVideoFeatures | None = None

    def __init__(self, *, settings: MeasuringSettings | None = None) -> None:
        super().__init__(settings=settings)
        self.generated = FigurePerClip()
        self.references = FigurePerClip()

    def to_tensors(self) -> dict[str, torch.Tensor]:
        return {
            **with_prefix("generated", self.generated.to_tensors()),
            **with_prefix("references", self.references.to_tensors()),
        }

    def merge_tensors(self, tensors: Mapping[str, torch.Tensor]) -> None:
        for kind, figures in (("generated", self.generated), ("references", self.references)):
            part = without_prefix(kind, tensors)
            figures.add(part["values"], part["indices"])

    def measure(self, context: MetricContext) -> Measurement:
        values, real = self.generated.in_order(), self.references.in_order()
        below = self.check_counts({"generated": len(values)}, at_least=1)
        num_resamples = self.settings.resamples(1000)
        floor = None
        if len(real) > 1:
            first, second = halves(len(real), seed=self.settings.seed)
            floor = abs(float(real[first].mean() - real[second].mean()))
        return Measurement(
            name=self.name,
            value=float(values.mean()),
            count=len(values),
            reference_count=len(real) or (len(values) if self.needs_pairs else None),
            higher_is_better=self.higher_is_better,
            unit=self.unit,
            interval=mean_bootstrap_interval(
                values,
                num_resamples=num_resamples,
                confidence=self.settings.confidence,
                seed=self.settings.seed,
            ),
            minimum_count=self.minimum_count,
            below_minimum=below,
            noise_floor=floor,
            reference_value=float(real.mean()) if len(real) else None,
            provenance=self.provenance(
                context,
                features=self.describe_features(),
                num_resamples=num_resamples,
                options=self.options(),
            ),
            details={"lowest": float(values.min()), "highest": float(values.max())},
        )

    def options(self) -> dict[str, Any]:
        return {}

    def describe_features(self) -> dict[str, Any] | None:
        return None if self.features is None else self.features.describe()


class AverageOverClips(AverageOfFigures):
    """A figure of a clip alone; references get one too, to compare with."""

    @abstractmethod
    def figures(self, batch: ClipBatch) -> torch.Tensor:
        """`(batch,)`, one figure a clip."""

    def update(self, batch: ClipBatch) -> None:
        self.generated.add(self.figures(batch), batch.indices)

    def update_references(self, batch: ClipBatch) -> None:
        if not self.needs_prompts:  # references have no prompts
            self.references.add(self.figures(batch), batch.indices)


class FigurePerClip:
    """A float64 for each clip, by its index."""

    def __init__(self) -> None:
        self._values: list[torch.Tensor] = []
        self._indices: list[torch.Tensor] = []

    def add(self, values: torch.Tensor, indices: torch.Tensor) -> None:
        self._values.append(values.detach().cpu().double())
        self._indices.append(indices.cpu().long())

    def in_order(self) -> np.ndarray:
        tensors = self.to_tensors()
        order = tensors["indices"].argsort()
        indices = tensors["indices"][order]
        twice = indices[1:][indices[1:] == indices[:-1]]
        if len(twice):
            raise ValueError(f"clip {int(twice[0])} was counted twice; give each process other clips")
        return tensors["values"][order].numpy()

    def to_tensors(self) -> dict[str, torch.Tensor]:
        empty = not self._values
        return {
            "values": torch.zeros(0, dtype=torch.float64) if empty else torch.cat(self._values),
            "indices": torch.zeros(0, dtype=torch.int64) if empty else torch.cat(self._indices),
        }
