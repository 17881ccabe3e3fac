"""One trainer per objective, its arguments beside it; callbacks; exact resume."""

from heygen_hf.training.autoencoder.arguments import VideoAutoencoderTrainingArguments
from heygen_hf.training.autoencoder.trainer import VideoAutoencoderTrainer
from heygen_hf.training.base_arguments import BaseTrainingArguments
from heygen_hf.training.base_trainer import BaseTrainer
from heygen_hf.training.bfloat16 import supports_bfloat16
from heygen_hf.training.checkpoints.files import newest_checkpoint
from heygen_hf.training.checkpoints.preemption import Preempted
from heygen_hf.training.debugging import Fixed, GradientCheck, check_gradients
from heygen_hf.training.distillation.arguments import DistillationTrainingArguments
from heygen_hf.training.distillation.trainer import DistillationTrainer
from heygen_hf.training.finetuning_arguments import FinetuningTrainingArguments
from heygen_hf.training.monitoring.json_lines_log import JsonLinesLog
from heygen_hf.training.monitoring.sample_videos import SampleVideos
from heygen_hf.training.optimization.block_compilation import compile_blocks
from heygen_hf.training.optimization.ema import ExponentialMovingAverage
from heygen_hf.training.optimization.muon_with_adamw import MuonWithAdamW, split_for_muon
from heygen_hf.training.supervised_arguments import SupervisedTrainingArguments
from heygen_hf.training.supervised_trainer import SupervisedTrainer
from heygen_hf.training.video_generation_arguments import VideoGenerationTrainingArguments
from heygen_hf.training.video_generation_trainer import VideoGenerationTrainer

__all__ = [
    "BaseTrainer",
    "BaseTrainingArguments",
    "DistillationTrainer",
    "DistillationTrainingArguments",
    "ExponentialMovingAverage",
    "FinetuningTrainingArguments",
    "Fixed",
    "GradientCheck",
    "JsonLinesLog",
    "MuonWithAdamW",
    "Preempted",
    "SampleVideos",
    "SupervisedTrainer",
    "SupervisedTrainingArguments",
    "VideoAutoencoderTrainer",
    "VideoAutoencoderTrainingArguments",
    "VideoGenerationTrainer",
    "VideoGenerationTrainingArguments",
    "check_gradients",
    "compile_blocks",
    "newest_checkpoint",
    "split_for_muon",
    "supports_bfloat16",
]
