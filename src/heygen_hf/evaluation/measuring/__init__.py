"""What every figure carries: its count, interval, noise floor, and where it comes from."""

from heygen_hf.evaluation.measuring.measurement import Measurement, Provenance
from heygen_hf.evaluation.measuring.minimum_count import TooFewClipsError, check_minimum_count
from heygen_hf.evaluation.measuring.resampling import (
    centred_interval,
    draw_counts,
    halves,
    mean_bootstrap_interval,
    part_and_rest,
)
from heygen_hf.evaluation.measuring.settings import MeasuringSettings
from heygen_hf.evaluation.measuring.versions import library_versions

__all__ = [
    "Measurement",
    "MeasuringSettings",
    "Provenance",
    "TooFewClipsError",
    "centred_interval",
    "check_minimum_count",
    "draw_counts",
    "halves",
    "library_versions",
    "mean_bootstrap_interval",
    "part_and_rest",
]
