"""What training needs to know of a family of published video generators, and nothing that diffusers already knows.

A family's own pipeline of diffusers encodes prompts and packs tokens; a family here says which of its methods do it,
so that the transformer is given in training what the pipeline gives it in sampling, tensor by tensor.
"""

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from typing import Any, ClassVar

import torch
from torch import nn

from heygen_hf.losses import DenoisingObjective, FlowMatchingObjective

Conditions = Mapping[str, torch.Tensor]


class GeneratorFamily(ABC):
    """One family, around a pipeline of it.

    Args:
        pipeline: of a class in `pipeline_classes`, loaded by diffusers. Parts that are not asked for may be None: the
            text encoders once prompts are encoded, the transformer while they are.

    Attributes:
        name: as recipes and cards write it.
        pipeline_classes: the classes of diffusers it covers, as in `model_index.json`.
        prompt_tokens: of a caption, at most.
        lora_targets: endings of the names of the layers that LoRA adapts by default: the projections of attention and,
            where the family's published adapters have them, of the feed-forward.
        takes_frame_timesteps: whether latent frames may have timesteps of their own, so that some can be given.
        takes_first_frame: whether every clip is generated from its first frame, see `encode_first_frames`.
        takes_control: whether every clip is generated beside one that controls it, see `encode_control`.
        has_one_dtype: whether the pipeline gives the transformer its text encoder's data type, so that all of its parts
            must have the same.
        frame_step: frames behind the first must be a multiple of it; else the autoencoder gives back a longer clip.
        least_steps: of sampling; with fewer the pipeline's own schedule divides by zero.
        repeated_blocks: names of the transformer's lists of equal blocks.
    """

    name: ClassVar[str]
    pipeline_classes: ClassVar[tuple[str, ...]]
    lora_targets: ClassVar[tuple[str, ...]] = ("to_q", "to_k", "to_v", "to_out.0")
    prompt_tokens: int = 256
    takes_frame_timesteps: bool = False
    takes_first_frame: ClassVar[bool] = False
    takes_control: ClassVar[bool] = False
    has_one_dtype: ClassVar[bool] = False
    frame_step: ClassVar[int] = 1
    least_steps: ClassVar[int] = 1

    def __init__(self, pipeline: Any) -> None:
        self.pipeline = pipeline
        self._dtype: tuple[Any, torch.dtype] | None = None
        self.check()

    def check(self) -> None:  # noqa: B027 - most have nothing to refuse
        """Refuse a pipeline of the family that cannot be trained as the family says.

        Raises:
            ValueError: says what it is.
        """

    # Prompts and first frames, encoded once.

    @abstractmethod
    def encode_prompts(self, prompts: Sequence[str]) -> list[dict[str, torch.Tensor]]:
        """Each prompt as the transformer reads it: `text_embeddings` `(tokens, width)`, and further tensors by name."""

    @torch.no_grad()
    def _encode_with_mask(self, prompts: Sequence[str]) -> list[dict[str, torch.Tensor]]:
        """`encode_prompts` of pipelines that return a mask beside the embeddings."""
        embeddings, mask, *_ = self.pipeline.encode_prompt(
            list(prompts),
            do_classifier_free_guidance=False,
            max_sequence_length=self.prompt_tokens,
            device=self.pipeline.text_encoder.device,
        )
        rows = zip(embeddings, mask, strict=True)
        return [{"text_embeddings": row, "text_embeddings_mask": mask_row.bool()} for row, mask_row in rows]

    def prompt_settings(self) -> dict[str, Any]:
        """What decides encoded prompts beside the text encoders and tokenizers, as JSON."""
        return {"max_sequence_length": self.prompt_tokens}

    def encode_first_frames(self, frames: torch.Tensor, *, num_frames: int) -> dict[str, torch.Tensor]:  # noqa: ARG002
        """What the transformer is told of a clip's first frame, tensors with a row for each clip, by name.

        Args:
            frames: `(batch, channels, height, width)` in [-1, 1].
            num_frames: of the clip, in pixels.
        """
        raise ValueError(f"{self.name} takes no first frame")

    def encode_control(self, control: torch.Tensor) -> dict[str, torch.Tensor]:  # noqa: ARG002
        """What the transformer is told of the clips that control others, tensors with a row for each, by name.

        Args:
            control: `(batch, frames, channels, height, width)` in [-1, 1], as many frames as the clips have.
        """
        raise ValueError(f"{self.name} takes no clips that control others")

    # One step of denoising.

    @abstractmethod
    def transformer_inputs(self, noisy: torch.Tensor, timestep: torch.Tensor, conditions: Conditions) -> dict[str, Any]:
        """The transformer's keyword arguments.

        Args:
            noisy: normalised latents `(batch, frames, channels, height, width)`.
            timestep: `(batch,)`, or `(batch, frames)` where the family takes those; 0 clean, 1 noise.
            conditions: a batch of what `encode_prompts` and `encode_first_frames` give: `encoder_hidden_states`
                `(batch, tokens, width)`, `attention_mask` `(batch, tokens)`, and others by their names.
        """

    @abstractmethod
    def prediction(self, output: torch.Tensor, *, like: torch.Tensor) -> torch.Tensor:
        """What the transformer returned as what the objective predicts, shaped like the latents `like`."""

    def denoise(
        self, transformer: nn.Module, noisy: torch.Tensor, timestep: torch.Tensor, conditions: Conditions
    ) -> torch.Tensor:
        """The transformer's prediction at noisy latents, in their shape."""
        inputs = self.transformer_inputs(noisy, timestep, conditions)
        return self.prediction(transformer(**inputs, return_dict=False)[0], like=noisy)

    def objective(self, *, tokens: int, timestep_shift: float | None = None) -> DenoisingObjective:
        """What the family was trained to do.

        Args:
            tokens: of a clip, on which the shift of some families depends.
            timestep_shift: of training timesteps; by default the pipeline's own at sampling.
        """
        shift = self.default_timestep_shift(tokens) if timestep_shift is None else timestep_shift
        return FlowMatchingObjective(prediction_type="velocity", timestep_shift=shift)

    def default_timestep_shift(self, tokens: int) -> float:  # noqa: ARG002 - for families whose shift depends on it
        """How far the pipeline's own timesteps lean towards noise."""
        config = self.pipeline.scheduler.config
        return float(config.get("flow_shift") or config.get("shift") or 1.0)

    def whole_patches(self, latents: torch.Tensor, noise: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        """Clean latents and noise `(batch, frames, channels, height, width)` with frames in the number that fits.

        Most transformers take any number; see `frames_per_token`.
        """
        return latents, noise

    # Sizes.

    @property
    def transformer_config(self) -> Any:
        """The transformer's configuration."""
        return self.pipeline.transformer.config

    @property
    def transformer_dtype(self) -> torch.dtype:
        """Of the transformer's own weights. diffusers looks at all of them for it, which takes a part of a step."""
        transformer = self.pipeline.transformer
        known_by = (id(transformer), next(iter(transformer.parameters())).dtype)
        if self._dtype is None or self._dtype[0] != known_by:
            self._dtype = (known_by, transformer.dtype)
        return self._dtype[1]

    @property
    @abstractmethod
    def patch_size(self) -> tuple[int, int, int]:
        """What a clip's latent frames, height and width must be multiples of; a token's, but for `frames_per_token`."""

    @property
    def frames_per_token(self) -> int:
        """Latent frames of a token, also where `whole_patches` adds those that are missing."""
        return self.patch_size[0]

    @property
    def latent_channels(self) -> int:
        """Channels of the latents that are denoised."""
        return int(self.transformer_config.out_channels or self.transformer_config.in_channels)

    @property
    def temporal_compression(self) -> int:
        """Frames to a latent; the first frame has a latent of its own."""
        return int(self.pipeline.vae_scale_factor_temporal)

    @property
    def spatial_compression(self) -> int:
        """Pixels to a latent, of height and of width."""
        return int(self.pipeline.vae_scale_factor_spatial)

    # Sampling.

    @classmethod
    def check_steps(cls, num_inference_steps: int) -> None:
        """Refuse fewer steps than the family's pipeline can sample in.

        Raises:
            ValueError: names the fewest.
        """
        if num_inference_steps < cls.least_steps:
            raise ValueError(
                f"num_inference_steps={num_inference_steps}: {cls.name} samples in at least {cls.least_steps}; give "
                "as many"
            )

    def sampling_arguments(self, *, height: int, width: int, num_frames: int, frame_rate: float) -> dict[str, Any]:  # noqa: ARG002
        """Arguments of the pipeline's call that say the clip's size, in pixels."""
        return {"height": height, "width": width, "num_frames": num_frames}

    def control_arguments(self, control: torch.Tensor) -> dict[str, Any]:  # noqa: ARG002
        """Arguments of the pipeline's call for control by `(frames, channels, height, width)` in [0, 1]."""
        raise ValueError(f"{self.name} takes no clips that control others")


def require_control(family: str, conditions: Conditions) -> torch.Tensor:
    """`control_latents` of a batch.

    Raises:
        ValueError: there are none.
    """
    if "control_latents" not in conditions:
        raise ValueError(f"{family} is trained with a clip that controls each clip, and the data have none")
    return conditions["control_latents"]


def trim_padding(embeddings: torch.Tensor) -> torch.Tensor:
    """`(tokens, width)` without the zeros at its end; at least one token stays."""
    used = embeddings.ne(0).any(dim=1).nonzero()
    return embeddings[: int(used[-1]) + 1 if len(used) else 1].clone()


def pad_tokens(embeddings: torch.Tensor, length: int) -> torch.Tensor:
    """`(batch, tokens, width)` with zeros behind, up to `length` tokens."""
    missing = length - embeddings.shape[1]
    return embeddings if missing <= 0 else torch.nn.functional.pad(embeddings, (0, 0, 0, missing))
