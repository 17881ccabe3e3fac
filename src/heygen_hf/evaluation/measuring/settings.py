"""How figures are measured, the same for all metrics of one evaluation."""

import os
from dataclasses import dataclass


@dataclass(frozen=True, kw_only=True)
class MeasuringSettings:
    """Options of a measurement.

    Attributes:
        batch_size: clips that go through a network at a time.
        seed: of the bootstrap and of the halves that the noise floor compares.
        num_resamples: of the bootstrap; None for 1,000 where they cost nothing, 100 of a Fréchet distance and 30 of one
            over more than 512 features; 0 for no interval.
        confidence: of the interval.
        allow_too_few: measure below a metric's minimum count too; the result says that it was.
        max_kept_clips: of which features are kept for the interval and the noise floor; mean and covariance are over
            all clips, however many.
        cache_dir: where statistics of references are kept; None for nowhere.
    """

    batch_size: int = 16
    seed: int = 0
    num_resamples: int | None = None
    confidence: float = 0.95
    allow_too_few: bool = False
    max_kept_clips: int = 2048
    cache_dir: str | os.PathLike[str] | None = None

    def __post_init__(self) -> None:
        if self.batch_size < 1:
            raise ValueError(f"batch_size={self.batch_size} must be at least 1.")
        if not 0 < self.confidence < 1:
            raise ValueError(f"confidence={self.confidence} must be in (0, 1), such as 0.95.")
        if self.num_resamples is not None and self.num_resamples < 0:
            raise ValueError(f"num_resamples={self.num_resamples} must be at least 0, which is no interval.")
        if self.max_kept_clips < 2:
            raise ValueError(f"max_kept_clips={self.max_kept_clips} must be at least 2, or there is no interval.")

    def resamples(self, default: int) -> int:
        return default if self.num_resamples is None else self.num_resamples
