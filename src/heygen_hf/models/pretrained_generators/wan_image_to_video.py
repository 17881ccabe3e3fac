"""Wan, a first frame to video: its latents, and a mask, stand beside the noisy ones as further channels."""

from typing import Any, ClassVar

import torch

from heygen_hf._optional import require
from heygen_hf.models.pretrained_generators.family import Conditions
from heygen_hf.models.pretrained_generators.wan import WanFamily


class WanImageToVideoFamily(WanFamily):
    """`WanImageToVideoPipeline`; in Wan 2.1 an image encoder reads the frame too."""

    name: ClassVar[str] = "wan_image_to_video"
    pipeline_classes: ClassVar[tuple[str, ...]] = ("WanImageToVideoPipeline",)
    takes_first_frame: ClassVar[bool] = True

    @property
    def lora_targets(self) -> tuple[str, ...]:  # type: ignore[override]
        """Where images are attended to, these projections too: diffusers loads no DoRA without them."""
        beside = ("add_k_proj", "add_v_proj") if self.transformer_config.image_dim is not None else ()
        return (*WanFamily.lora_targets, *beside)

    def check(self) -> None:
        super().check()
        require("ftfy")  # without which the pipeline reads no prompt
        if self.pipeline.config.get("expand_timesteps"):
            raise ValueError(
                "this Wan is told of its first frame by timesteps (expand_timesteps is set): train it as the "
                "WanPipeline it is published as too, with training.given_frames"
            )

    @torch.no_grad()
    def encode_first_frames(self, frames: torch.Tensor, *, num_frames: int) -> dict[str, torch.Tensor]:
        pipe, (_, _, height, width) = self.pipeline, frames.shape
        # The pipeline's own: it encodes the frame with black ones behind it and puts the mask before their latents.
        conditions = []
        for frame in frames:
            _, condition = pipe.prepare_latents(
                frame[None].to(pipe.vae.device, torch.float32),
                1,
                num_channels_latents=pipe.vae.config.z_dim,
                height=height,
                width=width,
                num_frames=num_frames,
                dtype=torch.float32,
                device=pipe.vae.device,
                generator=torch.Generator(pipe.vae.device).manual_seed(0),
            )
            conditions.append(condition.transpose(1, 2))
        encoded = {"condition_latents": torch.cat(conditions)}
        if pipe.image_encoder is not None:
            # The pipeline is given pictures, so what it sees has 8 bits.
            pictures = [_as_picture(frame) for frame in frames]
            encoded["image_embeddings"] = pipe.encode_image(pictures, pipe.image_encoder.device)
        return encoded

    def transformer_inputs(self, noisy: torch.Tensor, timestep: torch.Tensor, conditions: Conditions) -> dict[str, Any]:
        inputs = super().transformer_inputs(noisy, timestep, conditions)
        beside = conditions["condition_latents"].transpose(1, 2).to(noisy)
        dtype = inputs["hidden_states"].dtype
        inputs["hidden_states"] = torch.cat([noisy.transpose(1, 2), beside], dim=1).to(dtype)
        images = None if self.transformer_config.image_dim is None else conditions.get("image_embeddings")
        return inputs | {"encoder_hidden_states_image": None if images is None else images.to(dtype)}


def _as_picture(frame: torch.Tensor) -> Any:
    from PIL import Image

    values = ((frame.float() + 1) * 127.5).round().clamp(0, 255).to(torch.uint8)
    return Image.fromarray(values.permute(1, 2, 0).cpu().numpy())
