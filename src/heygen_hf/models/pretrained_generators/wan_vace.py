"""Wan VACE (Jiang et al. 2025, arXiv:2503.07598): a clip that controls another, read by blocks of its own."""

from typing import Any, ClassVar

import torch

from heygen_hf.models.pretrained_generators.family import Conditions, require_control
from heygen_hf.models.pretrained_generators.wan import WanFamily


class WanVACEFamily(WanFamily):
    """`WanVACEPipeline` with a clip that controls all of the video; without masks and reference pictures."""

    name: ClassVar[str] = "wan_vace"
    pipeline_classes: ClassVar[tuple[str, ...]] = ("WanVACEPipeline",)
    takes_control: ClassVar[bool] = True

    @torch.no_grad()
    def encode_control(self, control: torch.Tensor) -> dict[str, torch.Tensor]:
        pipe = self.pipeline
        encoded = []
        for clip in control:
            video = clip[None].transpose(1, 2).to(pipe.vae.device, torch.float32)
            everywhere = torch.ones_like(video)
            # The pipeline's own: what is to stay as it is (nothing), what controls, and where.
            latents = pipe.prepare_video_latents(video, everywhere, [[]], device=pipe.vae.device)
            masks = pipe.prepare_masks(everywhere, [[]])
            encoded.append(torch.cat((latents, masks.to(latents.device)), dim=1).transpose(1, 2))
        return {"control_latents": torch.cat(encoded)}

    def transformer_inputs(self, noisy: torch.Tensor, timestep: torch.Tensor, conditions: Conditions) -> dict[str, Any]:
        inputs = super().transformer_inputs(noisy, timestep, conditions)
        hidden = inputs["hidden_states"]
        control = require_control(self.name, conditions).transpose(1, 2)
        return inputs | {
            "control_hidden_states": control.to(hidden),
            "control_hidden_states_scale": hidden.new_ones(len(self.transformer_config.vace_layers)),
        }

    def control_arguments(self, control: torch.Tensor) -> dict[str, Any]:
        return {"video": control[None]}
