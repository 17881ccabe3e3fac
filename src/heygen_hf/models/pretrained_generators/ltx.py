"""LTX-Video (HaCohen et al. 2024, arXiv:2501.00103): packed tokens, and a timestep for each of them."""

import math
from collections.abc import Sequence
from typing import Any, ClassVar

import torch

from heygen_hf.models.pretrained_generators.family import Conditions, GeneratorFamily

_STEPS = 1000.0


class LTXFamily(GeneratorFamily):
    """`LTXPipeline` and `LTXImageToVideoPipeline`, which share their weights: given frames are at timestep 0.

    Attributes:
        frame_rate: of the clips, frames in a second, which scales the rotary positions in time.
    """

    name: ClassVar[str] = "ltx"
    pipeline_classes: ClassVar[tuple[str, ...]] = ("LTXPipeline", "LTXImageToVideoPipeline")
    prompt_tokens: int = 128
    has_one_dtype: ClassVar[bool] = True
    least_steps: ClassVar[int] = 2
    takes_frame_timesteps: ClassVar[bool] = True
    frame_rate: float = 25.0

    def encode_prompts(self, prompts: Sequence[str]) -> list[dict[str, torch.Tensor]]:
        return self._encode_with_mask(prompts)

    def transformer_inputs(self, noisy: torch.Tensor, timestep: torch.Tensor, conditions: Conditions) -> dict[str, Any]:
        pipe, dtype = self.pipeline, self.transformer_dtype
        frames, height, width = self.patch_size
        _, latent_frames, _, latent_height, latent_width = noisy.shape
        packed = pipe._pack_latents(noisy.transpose(1, 2), height, frames)
        if timestep.ndim == 2:
            tokens_of_row = (latent_height // height) * (latent_width // width)
            timestep = timestep[:, ::frames].repeat_interleave(tokens_of_row, dim=1)
        temporal, spatial = pipe.vae_temporal_compression_ratio, pipe.vae_spatial_compression_ratio
        return {
            "hidden_states": packed.to(dtype),
            "encoder_hidden_states": conditions["encoder_hidden_states"].to(dtype),
            "timestep": timestep * _STEPS,
            "encoder_attention_mask": conditions["attention_mask"].bool(),
            "num_frames": latent_frames,
            "height": latent_height,
            "width": latent_width,
            "rope_interpolation_scale": (temporal / self.frame_rate, spatial, spatial),
        }

    def prediction(self, output: torch.Tensor, *, like: torch.Tensor) -> torch.Tensor:
        frames, height, width = self.patch_size
        _, latent_frames, _, latent_height, latent_width = like.shape
        sizes = (latent_frames // frames, latent_height // height, latent_width // width)
        return self.pipeline._unpack_latents(output, *sizes, height, frames).transpose(1, 2)

    def default_timestep_shift(self, tokens: int) -> float:
        config = self.pipeline.scheduler.config
        if not config.get("use_dynamic_shifting"):
            return super().default_timestep_shift(tokens)
        short, long = config.get("base_image_seq_len", 256), config.get("max_image_seq_len", 4096)
        least, most = config.get("base_shift", 0.5), config.get("max_shift", 1.15)
        mu = least + (most - least) * (tokens - short) / (long - short)
        return math.exp(mu) if config.get("time_shift_type", "exponential") == "exponential" else mu

    @property
    def patch_size(self) -> tuple[int, int, int]:
        size = self.transformer_config.patch_size
        return self.transformer_config.patch_size_t, size, size

    @property
    def temporal_compression(self) -> int:
        return int(self.pipeline.vae_temporal_compression_ratio)

    @property
    def spatial_compression(self) -> int:
        return int(self.pipeline.vae_spatial_compression_ratio)

    def sampling_arguments(self, *, height: int, width: int, num_frames: int, frame_rate: float) -> dict[str, Any]:
        sizes = super().sampling_arguments(height=height, width=width, num_frames=num_frames, frame_rate=frame_rate)
        return sizes | {"frame_rate": frame_rate}
