"""CogVideoX (Yang et al. 2024, arXiv:2408.06072): velocities on a schedule of diffusion, frames before channels."""

from collections.abc import Sequence
from typing import Any, ClassVar

import torch

from heygen_hf.losses import DDPMObjective, DenoisingObjective
from heygen_hf.models.pretrained_generators.family import Conditions, GeneratorFamily


class CogVideoXFamily(GeneratorFamily):
    """`CogVideoXPipeline`, 1.0 and 1.5."""

    name: ClassVar[str] = "cogvideox"
    pipeline_classes: ClassVar[tuple[str, ...]] = ("CogVideoXPipeline",)
    has_one_dtype: ClassVar[bool] = True
    frame_step: ClassVar[int] = 8  # of an even number of latents its autoencoder makes four frames each, the first too

    @property
    def prompt_tokens(self) -> int:  # type: ignore[override]
        return int(self.transformer_config.max_text_seq_length)

    @torch.no_grad()
    def encode_prompts(self, prompts: Sequence[str]) -> list[dict[str, torch.Tensor]]:
        embeddings, _ = self.pipeline.encode_prompt(
            list(prompts),
            do_classifier_free_guidance=False,
            max_sequence_length=self.prompt_tokens,
            device=self.pipeline.text_encoder.device,
        )
        # The transformer reads the padding too.
        return [{"text_embeddings": row} for row in embeddings]

    def transformer_inputs(self, noisy: torch.Tensor, timestep: torch.Tensor, conditions: Conditions) -> dict[str, Any]:
        dtype, pipe = self.transformer_dtype, self.pipeline
        rotary = None
        if self.transformer_config.use_rotary_positional_embeddings:
            spatial = pipe.vae_scale_factor_spatial
            height, width = noisy.shape[3] * spatial, noisy.shape[4] * spatial
            rotary = pipe._prepare_rotary_positional_embeddings(height, width, noisy.shape[1], noisy.device)
        steps = torch.ceil(timestep * pipe.scheduler.config.num_train_timesteps - 1e-3).long() - 1
        return {
            "hidden_states": noisy.to(dtype),
            "encoder_hidden_states": conditions["encoder_hidden_states"].to(dtype),
            "timestep": steps.clamp(min=0),
            "image_rotary_emb": rotary,
        }

    def prediction(self, output: torch.Tensor, *, like: torch.Tensor) -> torch.Tensor:  # noqa: ARG002
        return output

    def objective(self, *, tokens: int, timestep_shift: float | None = None) -> DenoisingObjective:  # noqa: ARG002
        scheduler = self.pipeline.scheduler
        return DDPMObjective(
            prediction_type="velocity",
            num_train_timesteps=scheduler.config.num_train_timesteps,
            alphas_cumprod=scheduler.alphas_cumprod,
            timestep_shift=1.0 if timestep_shift is None else timestep_shift,
        )

    @property
    def patch_size(self) -> tuple[int, int, int]:
        size = self.transformer_config.patch_size
        return 1, size, size

    @property
    def frames_per_token(self) -> int:
        return int(self.transformer_config.patch_size_t or 1)

    def whole_patches(self, latents: torch.Tensor, noise: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        # CogVideoX 1.5 takes frames in pairs, and its autoencoder gives an odd number. The pipeline denoises a frame
        # more, before the others, and throws it away; in training the first one stands there twice.
        missing = -latents.shape[1] % self.frames_per_token
        if not missing:
            return latents, noise
        first = latents[:, :1].expand(-1, missing, *latents.shape[2:])
        # Its noise is its own, and as reproducible as that of the clip.
        rows = []
        for row in noise:
            seed = int(row.float().cpu().contiguous().view(torch.int32).sum())
            shape = (missing, *row.shape[1:])
            rows.append(torch.randn(shape, generator=torch.Generator().manual_seed(seed)))
        return torch.cat((first, latents), dim=1), torch.cat((torch.stack(rows).to(noise), noise), dim=1)

    def sampling_arguments(self, *, height: int, width: int, num_frames: int, frame_rate: float) -> dict[str, Any]:
        sizes = super().sampling_arguments(height=height, width=width, num_frames=num_frames, frame_rate=frame_rate)
        return sizes | {"max_sequence_length": self.prompt_tokens}
