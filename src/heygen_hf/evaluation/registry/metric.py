"""What every metric over clips is: something that takes batches in, merges over processes, and measures."""

from abc import ABC, abstractmethod
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any, ClassVar

import torch

from heygen_hf.evaluation.clip_stream import ClipBatch, ClipShape
from heygen_hf.evaluation.measuring import Measurement, MeasuringSettings, Provenance, check_minimum_count


@dataclass
class MetricContext:
    """What metrics are told when they measure.

    Attributes:
        shape: of the generated clips.
        reference_hash: of the references' contents, where known.
    """

    shape: ClipShape | None = None
    reference_hash: str | None = None


class ClipMetric(ABC):
    """A metric over clips, taken in batch by batch.

    Class attributes say what it is: `name`, `convention` (its definition), `minimum_count` (below which it means
    nothing), `higher_is_better`, `unit`, and what it needs: `needs_references`, `needs_pairs` (the reference with the
    same index), `needs_prompts`, `needs_sounds`.
    """

    name: ClassVar[str]
    convention: ClassVar[str]
    minimum_count: ClassVar[int] = 2
    higher_is_better: ClassVar[bool | None] = True
    unit: ClassVar[str] = ""
    needs_references: ClassVar[bool] = False
    needs_pairs: ClassVar[bool] = False
    needs_prompts: ClassVar[bool] = False
    needs_sounds: ClassVar[bool] = False

    def __init__(self, *, settings: MeasuringSettings | None = None) -> None:
        self.settings = settings or MeasuringSettings()

    @abstractmethod
    def update(self, batch: ClipBatch) -> None:
        """Take in generated clips."""

    @abstractmethod
    def update_references(self, batch: ClipBatch) -> None:
        """Take in reference clips."""

    def update_pairs(self, batch: ClipBatch, references: ClipBatch) -> None:
        """Take in generated clips and the reference of each, in place of both of the above."""
        self.update(batch)
        self.update_references(references)

    def load_references(self, content_hash: str) -> bool:  # noqa: ARG002
        """Take the references' statistics from the cache; True where they were there."""
        return False

    def forget_references(self) -> None:  # noqa: B027
        """Undo `load_references`: not every process has them."""

    def save_references(self, content_hash: str) -> None:  # noqa: B027
        """Keep the references' statistics for the next time."""

    @abstractmethod
    def to_tensors(self) -> dict[str, torch.Tensor]:
        """What was taken in, for another process."""

    @abstractmethod
    def merge_tensors(self, tensors: Mapping[str, torch.Tensor]) -> None:
        """Take in what another process's `to_tensors` gave."""

    @abstractmethod
    def measure(self, context: MetricContext) -> Measurement:
        """The figure.

        Raises:
            TooFewClipsError: fewer clips than `minimum_count`, unless the settings allow it.
        """

    def provenance(self, context: MetricContext, **values: Any) -> Provenance:
        shape = {} if context.shape is None else asdict(context.shape)
        return Provenance(
            convention=self.convention,
            clips=shape,
            reference_hash=context.reference_hash if self.needs_references else None,
            seed=self.settings.seed,
            confidence=self.settings.confidence,
            **values,
        )

    def check_counts(self, counts: dict[str, int], *, at_least: int, unit: str = "clips") -> bool:
        """Whether there are fewer than the minimum, where that is allowed."""
        return check_minimum_count(
            self.name,
            counts,
            minimum=self.minimum_count,
            allow_too_few=self.settings.allow_too_few,
            at_least=at_least,
            unit=unit,
        )


def with_prefix(prefix: str, tensors: Mapping[str, torch.Tensor]) -> dict[str, torch.Tensor]:
    return {f"{prefix}.{name}": tensor for name, tensor in tensors.items()}


def without_prefix(prefix: str, tensors: Mapping[str, torch.Tensor]) -> dict[str, torch.Tensor]:
    begin = f"{prefix}."
    return {name.removeprefix(begin): tensor for name, tensor in tensors.items() if name.startswith(begin)}
