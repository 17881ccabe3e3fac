"""Wan, text to video (Wan Team 2025, arXiv:2503.20314): 2.1, and the 2.2 that gives each token a timestep."""

from collections.abc import Sequence
from typing import Any, ClassVar

import torch

from heygen_hf._optional import is_available
from heygen_hf.models.pretrained_generators.family import Conditions, GeneratorFamily, pad_tokens, trim_padding

_STEPS = 1000.0


class WanFamily(GeneratorFamily):
    """`WanPipeline`. Of a Wan 2.2 with two transformers, the one for high noise is trained."""

    name: ClassVar[str] = "wan"
    pipeline_classes: ClassVar[tuple[str, ...]] = ("WanPipeline",)
    prompt_tokens: int = 512
    lora_targets: ClassVar[tuple[str, ...]] = ("to_q", "to_k", "to_v", "to_out.0", "ffn.net.0.proj", "ffn.net.2")

    def __init__(self, pipeline: Any) -> None:
        super().__init__(pipeline)
        self.takes_frame_timesteps = bool(pipeline.config.get("expand_timesteps"))

    def check(self) -> None:
        if self.pipeline.config.get("boundary_ratio") is not None:
            raise ValueError(
                "this Wan has two transformers (boundary_ratio is set), each for a part of the noise levels; training "
                "both is not supported: take a Wan with one, such as Wan 2.1 or Wan 2.2 TI2V-5B"
            )

    @torch.no_grad()
    def encode_prompts(self, prompts: Sequence[str]) -> list[dict[str, torch.Tensor]]:
        embeddings, _ = self.pipeline.encode_prompt(
            list(prompts),
            do_classifier_free_guidance=False,
            max_sequence_length=self.prompt_tokens,
            device=self.pipeline.text_encoder.device,
        )
        # The rest of the 512 tokens is zeros, which need not be kept.
        return [{"text_embeddings": trim_padding(row)} for row in embeddings]

    def prompt_settings(self) -> dict[str, Any]:
        # The pipeline mends broken characters if it can.
        return {"max_sequence_length": self.prompt_tokens, "mends_text": is_available("ftfy")}

    def transformer_inputs(self, noisy: torch.Tensor, timestep: torch.Tensor, conditions: Conditions) -> dict[str, Any]:
        dtype = self.transformer_dtype
        return {
            "hidden_states": noisy.transpose(1, 2).to(dtype),
            "timestep": self._timestep(timestep, noisy) * _STEPS,
            "encoder_hidden_states": pad_tokens(conditions["encoder_hidden_states"], self.prompt_tokens).to(dtype),
        }

    def _timestep(self, timestep: torch.Tensor, noisy: torch.Tensor) -> torch.Tensor:
        """One for each clip, or for each of its tokens where the pipeline says so."""
        if not self.pipeline.config.get("expand_timesteps"):
            return timestep
        _, height, width = self.patch_size
        tokens_of_frame = (noisy.shape[3] // height) * (noisy.shape[4] // width)
        of_frames = timestep[:, None].expand(noisy.shape[:2]) if timestep.ndim == 1 else timestep
        return of_frames.repeat_interleave(tokens_of_frame, dim=1)

    def prediction(self, output: torch.Tensor, *, like: torch.Tensor) -> torch.Tensor:  # noqa: ARG002
        return output.transpose(1, 2)

    @property
    def patch_size(self) -> tuple[int, int, int]:
        frames, height, width = self.transformer_config.patch_size
        return frames, height, width
