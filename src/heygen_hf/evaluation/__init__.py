"""Measures of trained models, each with its count and interval."""

from heygen_hf.evaluation.attribute_accuracy import (
    AttributeJudges,
    JudgeTraining,
    attribute_accuracy,
    train_attribute_judges,
)
from heygen_hf.evaluation.intervals import wilson_interval

__all__ = [
    "AttributeJudges",
    "JudgeTraining",
    "attribute_accuracy",
    "train_attribute_judges",
    "wilson_interval",
]
