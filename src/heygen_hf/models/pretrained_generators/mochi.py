"""Mochi 1 (Genmo 2024): time runs the other way, from noise at 0 to the clip at 1."""

from collections.abc import Sequence
from typing import Any, ClassVar

import torch

from heygen_hf.models.pretrained_generators.family import Conditions, GeneratorFamily

_STEPS = 1000.0


class MochiFamily(GeneratorFamily):
    """`MochiPipeline`."""

    name: ClassVar[str] = "mochi"
    pipeline_classes: ClassVar[tuple[str, ...]] = ("MochiPipeline",)
    prompt_tokens: int = 256
    has_one_dtype: ClassVar[bool] = True
    least_steps: ClassVar[int] = 2

    def encode_prompts(self, prompts: Sequence[str]) -> list[dict[str, torch.Tensor]]:
        # Where empty prompts are to be zeros, the pipeline makes zeros of all prompts beside one.
        empty = [prompt for prompt in prompts if not prompt]
        if self.pipeline.config.get("force_zeros_for_empty_prompt") and 0 < len(empty) < len(prompts):
            others = iter(self.encode_prompts([prompt for prompt in prompts if prompt]))
            zeros = iter(self.encode_prompts(empty))
            return [next(others if prompt else zeros) for prompt in prompts]
        return self._encode_with_mask(prompts)

    def transformer_inputs(self, noisy: torch.Tensor, timestep: torch.Tensor, conditions: Conditions) -> dict[str, Any]:
        dtype = self.transformer_dtype
        return {
            "hidden_states": noisy.transpose(1, 2).to(dtype),
            "encoder_hidden_states": conditions["encoder_hidden_states"].to(dtype),
            # Rounded as the pipeline rounds it.
            "timestep": ((1 - timestep) * _STEPS).to(dtype),
            "encoder_attention_mask": conditions["attention_mask"].bool(),
        }

    def prediction(self, output: torch.Tensor, *, like: torch.Tensor) -> torch.Tensor:  # noqa: ARG002
        # Towards the clip where ours is towards the noise.
        return -output.transpose(1, 2)

    @property
    def patch_size(self) -> tuple[int, int, int]:
        size = self.transformer_config.patch_size
        return 1, size, size

    @property
    def temporal_compression(self) -> int:
        return int(self.pipeline.vae_temporal_scale_factor)

    @property
    def spatial_compression(self) -> int:
        return int(self.pipeline.vae_spatial_scale_factor)
