"""A tiny generator and clips to train it on."""

from collections.abc import Callable
from pathlib import Path

import pytest
import torch

from heygen_hf.models.video_transformer import VideoTransformerConfig, VideoTransformerForVideoGeneration
from heygen_hf.training import VideoGenerationTrainer, VideoGenerationTrainingArguments


class Clips(torch.utils.data.Dataset):
    """18 clips (not a multiple of the batch) that are functions of their index and the epoch."""

    def __init__(self) -> None:
        self.epoch = 0

    def set_epoch(self, epoch: int) -> None:
        self.epoch = epoch

    def __len__(self) -> int:
        return 18

    def __getitem__(self, index: int) -> dict[str, torch.Tensor]:
        generator = torch.Generator().manual_seed(index + 1000 * self.epoch)
        return {
            "pixel_values": torch.rand(4, 3, 8, 8, generator=generator),
            "input_ids": torch.randint(0, 9, (3,), generator=generator),
            "attention_mask": torch.ones(3),
        }


def build_trainer(folder: Path, **overrides: object) -> VideoGenerationTrainer:
    """Eight steps of four samples, five to the epoch, in float32 with AdamW, unless told otherwise."""
    torch.manual_seed(0)
    options = {name: overrides.pop(name) for name in ("write_samples", "callbacks") if name in overrides}
    fields = {
        "vocab_size": 10,
        "hidden_size": 32,
        "num_hidden_layers": 2,
        "num_attention_heads": 2,
        "patch_size": (2, 4, 4),
        "prediction_type": "sample",
        "timestep_embedding_size": 16,
    }
    config = VideoTransformerConfig(**(fields | overrides.pop("model_fields", {})))
    values = {
        "output_dir": str(folder),
        "max_steps": 8,
        "per_device_train_batch_size": 4,
        "per_device_eval_batch_size": 4,
        "logging_steps": 1,
        "save_steps": 2,
        "eval_steps": 4,
        "warmup_steps": 0,
        "precision": "fp32",
        "optimizer": "adamw",
        "use_cpu": True,
        "disable_tqdm": True,
        "compile_blocks": "never",
    }
    return VideoGenerationTrainer(
        VideoTransformerForVideoGeneration(config),
        VideoGenerationTrainingArguments(**(values | overrides)),
        train_dataset=Clips(),
        eval_dataset=Clips(),
        **options,
    )


@pytest.fixture
def make_trainer(tmp_path: Path) -> Callable[..., VideoGenerationTrainer]:
    return lambda name="run", **overrides: build_trainer(tmp_path / name, **overrides)
