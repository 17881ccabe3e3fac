"""One trainer per objective, its arguments beside it; callbacks; exact resume."""

from heygen_hf.training.base_arguments import BaseTrainingArguments, supports_bfloat16
from heygen_hf.training.base_trainer import BaseTrainer
from heygen_hf.training.block_compilation import compile_blocks
from heygen_hf.training.callbacks import JsonLinesLog, SampleVideos
from heygen_hf.training.checkpoints import newest_checkpoint
from heygen_hf.training.distillation_arguments import DistillationTrainingArguments
from heygen_hf.training.distillation_trainer import DistillationTrainer
from heygen_hf.training.ema import ExponentialMovingAverage
from heygen_hf.training.optimizers import MuonWithAdamW, split_for_muon
from heygen_hf.training.supervised_arguments import SupervisedTrainingArguments
from heygen_hf.training.supervised_trainer import SupervisedTrainer
from heygen_hf.training.video_autoencoder_arguments import VideoAutoencoderTrainingArguments
from heygen_hf.training.video_autoencoder_trainer import VideoAutoencoderTrainer
from heygen_hf.training.video_generation_arguments import VideoGenerationTrainingArguments
from heygen_hf.training.video_generation_trainer import VideoGenerationTrainer

__all__ = [
    "BaseTrainer",
    "BaseTrainingArguments",
    "DistillationTrainer",
    "DistillationTrainingArguments",
    "ExponentialMovingAverage",
    "JsonLinesLog",
    "MuonWithAdamW",
    "SampleVideos",
    "SupervisedTrainer",
    "SupervisedTrainingArguments",
    "VideoAutoencoderTrainer",
    "VideoAutoencoderTrainingArguments",
    "VideoGenerationTrainer",
    "VideoGenerationTrainingArguments",
    "compile_blocks",
    "newest_checkpoint",
    "split_for_muon",
    "supports_bfloat16",
]
