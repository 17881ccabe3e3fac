"""One trainer per objective, its arguments beside it; callbacks; exact resume."""

from heygen_hf.training.block_compilation import compile_blocks
from heygen_hf.training.callbacks import JsonLinesLog, SampleVideos
from heygen_hf.training.checkpoints import newest_checkpoint
from heygen_hf.training.ema import ExponentialMovingAverage
from heygen_hf.training.optimizers import MuonWithAdamW, split_for_muon
from heygen_hf.training.video_generation_arguments import VideoGenerationTrainingArguments
from heygen_hf.training.video_generation_trainer import VideoGenerationTrainer

__all__ = [
    "ExponentialMovingAverage",
    "JsonLinesLog",
    "MuonWithAdamW",
    "SampleVideos",
    "VideoGenerationTrainer",
    "VideoGenerationTrainingArguments",
    "compile_blocks",
    "newest_checkpoint",
    "split_for_muon",
]
