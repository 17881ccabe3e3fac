"""Tiny runs of every trainer, for one process and for several: the same samples make a step."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch
from diffusers import AutoencoderKLLTXVideo
from transformers import Trainer

from heygen_hf.models.text_transformer import TextTransformerConfig, TextTransformerForCausalLM
from heygen_hf.models.video_transformer import VideoTransformerConfig, VideoTransformerForVideoGeneration
from heygen_hf.training import (
    DistillationTrainer,
    DistillationTrainingArguments,
    SupervisedTrainer,
    SupervisedTrainingArguments,
    VideoGenerationTrainer,
    VideoGenerationTrainingArguments,
)
from heygen_hf.training.autoencoder.arguments import VideoAutoencoderTrainingArguments
from heygen_hf.training.autoencoder.trainer import VideoAutoencoderTrainer

COMMON = {
    "max_steps": 4,
    "logging_steps": 1,
    "eval_steps": 2,
    "save_steps": 2,
    "warmup_steps": 0,
    "precision": "fp32",
    "optimizer": "adamw",
    "ema_decay": 0.9,
    "use_cpu": True,
    "disable_tqdm": True,
    "compile_blocks": "never",
}


class Clips(torch.utils.data.Dataset):
    def __init__(self, *, frames: int, with_ids: bool) -> None:
        self.frames, self.with_ids = frames, with_ids

    def __len__(self) -> int:
        return 12

    def __getitem__(self, index: int) -> dict[str, torch.Tensor]:
        generator = torch.Generator().manual_seed(index)
        clip = {"pixel_values": torch.rand(self.frames, 3, 8, 8, generator=generator) * 2 - 1}
        ids = {"input_ids": torch.randint(0, 9, (3,), generator=generator)}
        return {**clip, **ids} if self.with_ids else clip


class Texts(torch.utils.data.Dataset):
    def __len__(self) -> int:
        return 12

    def __getitem__(self, index: int) -> dict[str, torch.Tensor]:
        ids = torch.randint(1, 20, (6,), generator=torch.Generator().manual_seed(index))
        return {"input_ids": ids, "labels": ids}


def _generator(**fields: Any) -> VideoTransformerForVideoGeneration:
    return VideoTransformerForVideoGeneration(
        VideoTransformerConfig(
            vocab_size=10,
            hidden_size=32,
            num_hidden_layers=2,
            num_attention_heads=2,
            patch_size=(2, 4, 4),
            prediction_type="sample",
            timestep_embedding_size=16,
            **fields,
        )
    )


def _data(**kind: Any) -> dict[str, Clips]:
    return {"train_dataset": Clips(**kind), "eval_dataset": Clips(**kind)}


def given_frames(values: dict[str, Any]) -> Trainer:
    arguments = VideoGenerationTrainingArguments(**values, given_frames={"none": 0.5, "first": 0.5})
    return VideoGenerationTrainer(_generator(), arguments, **_data(frames=4, with_ids=True))


def mean_flow(values: dict[str, Any]) -> Trainer:
    model = _generator(objective="mean_flow")
    model.set_attn_implementation("matmul")
    return VideoGenerationTrainer(model, VideoGenerationTrainingArguments(**values), **_data(frames=4, with_ids=True))


def distillation(values: dict[str, Any]) -> Trainer:
    arguments = DistillationTrainingArguments(**values, to_steps=2, teacher_steps=4, teacher_guidance_scale=2.0)
    return DistillationTrainer(_generator(), arguments, **_data(frames=4, with_ids=True))


def autoencoder(values: dict[str, Any]) -> Trainer:
    model = AutoencoderKLLTXVideo(
        latent_channels=4,
        block_out_channels=(8,),
        decoder_block_out_channels=(8,),
        down_block_types=("LTXVideoDownBlock3D",),
        layers_per_block=(1, 1),
        decoder_layers_per_block=(1, 1),
        spatio_temporal_scaling=(True,),
        decoder_spatio_temporal_scaling=(True,),
        decoder_inject_noise=(False, False),
        upsample_residual=(False,),
        upsample_factor=(1,),
        patch_size=2,
    )
    adversary = {
        "adversarial_weight": 0.1,
        "adversarial_start_step": 2,
        "adaptive_adversarial_weight": False,  # a ratio of two gradients: of each process's samples
        "discriminator": {"hidden_sizes": [8, 8], "strides": [[1, 2], [1, 2]], "norm_type": "spectral"},
    }
    arguments = VideoAutoencoderTrainingArguments(**values, **adversary)
    return VideoAutoencoderTrainer(model, arguments, **_data(frames=5, with_ids=False))


def language_model(values: dict[str, Any]) -> Trainer:
    model = TextTransformerForCausalLM(
        TextTransformerConfig(vocab_size=20, hidden_size=32, num_hidden_layers=2, num_attention_heads=2)
    )
    return SupervisedTrainer(model, SupervisedTrainingArguments(**values), train_dataset=Texts(), eval_dataset=Texts())


TRAINERS: dict[str, Callable[[dict[str, Any]], Trainer]] = {
    function.__name__: function for function in (given_frames, mean_flow, distillation, autoencoder, language_model)
}


def train(name: str, folder: Path, *, batch_size: int) -> Trainer:
    """A run of four steps in `folder`, with `batch_size` samples a process."""
    torch.manual_seed(0)
    batches = {"per_device_train_batch_size": batch_size, "per_device_eval_batch_size": 2}
    trainer = TRAINERS[name]({"output_dir": str(folder), **COMMON, **batches})
    trainer.train()
    return trainer
