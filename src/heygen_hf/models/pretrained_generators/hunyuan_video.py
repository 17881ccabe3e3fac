"""HunyuanVideo (Kong et al. 2024, arXiv:2412.03603): two text encoders, and guidance as an input."""

from collections.abc import Sequence
from typing import Any, ClassVar

import torch

from heygen_hf.models.pretrained_generators.family import Conditions, GeneratorFamily

_STEPS = 1000.0


class HunyuanVideoFamily(GeneratorFamily):
    """`HunyuanVideoPipeline`.

    Attributes:
        embedded_guidance: the scale of guidance that the distilled transformer is told. 1 stands for no guidance, where
            its prediction is the data's own velocity: what training compares it with.
    """

    name: ClassVar[str] = "hunyuan_video"
    pipeline_classes: ClassVar[tuple[str, ...]] = ("HunyuanVideoPipeline",)
    lora_targets: ClassVar[tuple[str, ...]] = (
        *("to_q", "to_k", "to_v", "to_out.0"),
        *("add_q_proj", "add_k_proj", "add_v_proj", "to_add_out"),
    )
    embedded_guidance: float = 1.0

    @torch.no_grad()
    def encode_prompts(self, prompts: Sequence[str]) -> list[dict[str, torch.Tensor]]:
        pipe = self.pipeline
        embeddings, pooled, mask = pipe.encode_prompt(list(prompts), device=pipe.text_encoder.device)
        rows = zip(embeddings, pooled, mask, strict=True)
        return [
            {"text_embeddings": row, "text_embeddings_mask": mask_row.bool(), "pooled_text_embeddings": pooled_row}
            for row, pooled_row, mask_row in rows
        ]

    def transformer_inputs(self, noisy: torch.Tensor, timestep: torch.Tensor, conditions: Conditions) -> dict[str, Any]:
        dtype = self.transformer_dtype
        guidance = torch.full((len(noisy),), self.embedded_guidance, dtype=dtype, device=noisy.device)
        return {
            "hidden_states": noisy.transpose(1, 2).to(dtype),
            "timestep": timestep * _STEPS,
            "encoder_hidden_states": conditions["encoder_hidden_states"].to(dtype),
            "encoder_attention_mask": conditions["attention_mask"].to(dtype),
            "pooled_projections": conditions["pooled_text_embeddings"].to(dtype),
            "guidance": guidance * _STEPS,
        }

    def prediction(self, output: torch.Tensor, *, like: torch.Tensor) -> torch.Tensor:  # noqa: ARG002
        return output.transpose(1, 2)

    @property
    def patch_size(self) -> tuple[int, int, int]:
        size = self.transformer_config.patch_size
        return self.transformer_config.patch_size_t, size, size
