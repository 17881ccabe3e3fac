"""Measures of trained models, each with its count and interval."""

from heygen_hf.evaluation.attribute_accuracy import (
    AttributeJudges,
    JudgeTraining,
    attribute_accuracy,
    train_attribute_judges,
)
from heygen_hf.evaluation.intervals import wilson_interval
from heygen_hf.evaluation.language_modeling import measure_bits_per_byte, measure_generation
from heygen_hf.evaluation.reconstruction import MeanWithInterval, clip_psnr, clip_ssim, mean_with_interval
from heygen_hf.evaluation.retrieval import RetrievalAccuracy, retrieval_accuracy
from heygen_hf.evaluation.text_generation import written_text_accuracy

__all__ = [
    "AttributeJudges",
    "JudgeTraining",
    "MeanWithInterval",
    "RetrievalAccuracy",
    "attribute_accuracy",
    "clip_psnr",
    "clip_ssim",
    "mean_with_interval",
    "measure_bits_per_byte",
    "measure_generation",
    "retrieval_accuracy",
    "train_attribute_judges",
    "wilson_interval",
    "written_text_accuracy",
]
