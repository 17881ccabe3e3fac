"""Measures of trained models, each with its count and interval."""

from heygen_hf.evaluation.attribute_accuracy import (
    AttributeJudges,
    JudgeTraining,
    attribute_accuracy,
    train_attribute_judges,
)
from heygen_hf.evaluation.clip_stream import ReferenceClips, VideoFiles
from heygen_hf.evaluation.features import (
    TextVideoFeatures,
    VideoFeatures,
    load_image_features,
    load_text_video_features,
    load_video_features,
)
from heygen_hf.evaluation.intervals import wilson_interval
from heygen_hf.evaluation.language_modeling import measure_bits_per_byte, measure_generation
from heygen_hf.evaluation.measuring import Measurement, MeasuringSettings, Provenance, TooFewClipsError
from heygen_hf.evaluation.reconstruction import MeanWithInterval, clip_psnr, clip_ssim, mean_with_interval
from heygen_hf.evaluation.registry import METRICS, ClipMetric, MetricModels, compute_metrics, metric_path
from heygen_hf.evaluation.retrieval import RetrievalAccuracy, retrieval_accuracy
from heygen_hf.evaluation.text_metrics.written_text import written_text_accuracy

__all__ = [
    "METRICS",
    "AttributeJudges",
    "ClipMetric",
    "JudgeTraining",
    "MeanWithInterval",
    "Measurement",
    "MeasuringSettings",
    "MetricModels",
    "Provenance",
    "ReferenceClips",
    "RetrievalAccuracy",
    "TextVideoFeatures",
    "TooFewClipsError",
    "VideoFeatures",
    "VideoFiles",
    "attribute_accuracy",
    "clip_psnr",
    "clip_ssim",
    "compute_metrics",
    "load_image_features",
    "load_text_video_features",
    "load_video_features",
    "mean_with_interval",
    "measure_bits_per_byte",
    "measure_generation",
    "metric_path",
    "retrieval_accuracy",
    "train_attribute_judges",
    "wilson_interval",
    "written_text_accuracy",
]
