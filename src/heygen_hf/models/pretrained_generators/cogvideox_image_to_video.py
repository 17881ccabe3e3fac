"""CogVideoX, a first frame to video: its latents, and zeros for all other frames, stand beside the noisy ones."""

from typing import Any, ClassVar

import torch

from heygen_hf.models.pretrained_generators.cogvideox import CogVideoXFamily
from heygen_hf.models.pretrained_generators.family import Conditions

_OFFSET = 2.0  # what the pipeline tells CogVideoX 1.5, whatever the clip


class CogVideoXImageToVideoFamily(CogVideoXFamily):
    """`CogVideoXImageToVideoPipeline`, 1.0 and 1.5."""

    name: ClassVar[str] = "cogvideox_image_to_video"
    pipeline_classes: ClassVar[tuple[str, ...]] = ("CogVideoXImageToVideoPipeline",)
    takes_first_frame: ClassVar[bool] = True

    @torch.no_grad()
    def encode_first_frames(self, frames: torch.Tensor, *, num_frames: int) -> dict[str, torch.Tensor]:
        pipe, (batch, _, height, width) = self.pipeline, frames.shape
        latent_frames = (num_frames - 1) // self.temporal_compression + 1
        added = -latent_frames % self.frames_per_token
        # The pipeline's own; it draws from the autoencoder's posterior, here always the same of a frame.
        _, conditions = pipe.prepare_latents(
            frames.to(pipe.vae.device, pipe.vae.dtype),
            batch,
            num_channels_latents=self.latent_channels,
            num_frames=num_frames + added * self.temporal_compression,
            height=height,
            width=width,
            dtype=pipe.vae.dtype,
            device=pipe.vae.device,
            generator=[torch.Generator().manual_seed(0) for _ in range(batch)],
            latents=torch.zeros(()),
        )
        return {"condition_latents": conditions}

    def transformer_inputs(self, noisy: torch.Tensor, timestep: torch.Tensor, conditions: Conditions) -> dict[str, Any]:
        inputs = super().transformer_inputs(noisy, timestep, conditions)
        hidden = inputs["hidden_states"]
        inputs["hidden_states"] = torch.cat((hidden, conditions["condition_latents"].to(hidden)), dim=2)
        takes_offset = self.transformer_config.ofs_embed_dim is not None
        return inputs | {"ofs": hidden.new_full((1,), _OFFSET) if takes_offset else None}
