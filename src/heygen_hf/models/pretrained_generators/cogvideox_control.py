"""CogVideoX-Fun with control: the latents of the clip that controls stand beside the noisy ones."""

from typing import Any, ClassVar

import torch

from heygen_hf.models.pretrained_generators.cogvideox import CogVideoXFamily
from heygen_hf.models.pretrained_generators.family import Conditions, require_control


class CogVideoXControlFamily(CogVideoXFamily):
    """`CogVideoXFunControlPipeline`, of CogVideoX 1.0."""

    name: ClassVar[str] = "cogvideox_control"
    pipeline_classes: ClassVar[tuple[str, ...]] = ("CogVideoXFunControlPipeline",)
    takes_control: ClassVar[bool] = True

    def check(self) -> None:
        if self.frames_per_token != 1:
            raise ValueError(
                f"this CogVideoX with control takes latent frames by {self.frames_per_token} (patch_size_t), which its "
                "pipeline does not fill up: take one of CogVideoX 1.0"
            )

    @torch.no_grad()
    def encode_control(self, control: torch.Tensor) -> dict[str, torch.Tensor]:
        vae = self.pipeline.vae
        _, latents = self.pipeline.prepare_control_latents(None, control.transpose(1, 2).to(vae.device, vae.dtype))
        return {"control_latents": latents.transpose(1, 2)}

    def transformer_inputs(self, noisy: torch.Tensor, timestep: torch.Tensor, conditions: Conditions) -> dict[str, Any]:
        inputs = super().transformer_inputs(noisy, timestep, conditions)
        hidden = inputs["hidden_states"]
        control = require_control(self.name, conditions)
        return inputs | {"hidden_states": torch.cat((hidden, control.to(hidden)), dim=2)}

    def sampling_arguments(self, *, height: int, width: int, num_frames: int, frame_rate: float) -> dict[str, Any]:
        sizes = super().sampling_arguments(height=height, width=width, num_frames=num_frames, frame_rate=frame_rate)
        del sizes["num_frames"]  # those of the clip that controls
        return sizes

    def control_arguments(self, control: torch.Tensor) -> dict[str, Any]:
        return {"control_video": control[None]}
