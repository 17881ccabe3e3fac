"""Captions (or classes) to video."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
import PIL.Image
import torch
from diffusers import DiffusionPipeline, SchedulerMixin
from diffusers.utils import BaseOutput
from transformers import PreTrainedModel, PreTrainedTokenizerBase

from heygen_hf.models.video_transformer import VideoTransformerModel, build_objective
from heygen_hf.pipelines.latents import decode_latents, fit_latent_size
from heygen_hf.pipelines.schedulers import model_timestep, set_timesteps, wanted_prediction
from heygen_hf.processing import VideoProcessor

# Tokenizers without a longest input carry a number far above this.
NO_LIMIT = 1_000_000

StepEndCallback = Callable[[DiffusionPipeline, int, torch.Tensor, dict[str, Any]], dict[str, Any] | None]


@dataclass
class VideoGenerationPipelineOutput(BaseOutput):
    """Attributes:
    frames: by `output_type`: "pil" a list of lists of images; "np" `(batch, frames, height, width, channels)` in
        [0, 1]; "pt" `(batch, frames, channels, height, width)` in [0, 1]; "latent" what the transformer made.
    """

    frames: torch.Tensor | np.ndarray | list[list[PIL.Image.Image]]


class VideoGenerationPipeline(DiffusionPipeline):
    """Generates video with a `VideoTransformerModel`.

    Args:
        transformer: the denoiser.
        scheduler: any of diffusers'; predictions are converted to the kind it takes.
        processor: the `VideoProcessor` the model was trained with.
        tokenizer: for captions; with `text_encoder` its hidden states condition the model, else the token ids do.
        text_encoder: optional; anything that returns `last_hidden_state`.
        vae: optional autoencoder of diffusers; without it the transformer works on pixels.
        num_inference_steps, guidance_scale, frame_rate: defaults of a call and of what is written, saved with the
            pipeline.
    """

    model_cpu_offload_seq = "text_encoder->transformer->vae"
    _optional_components = ["tokenizer", "text_encoder", "vae"]  # noqa: RUF012 - diffusers' own declaration
    _callback_tensor_inputs = ["latents"]  # noqa: RUF012

    def __init__(
        self,
        transformer: VideoTransformerModel,
        scheduler: SchedulerMixin,
        processor: VideoProcessor,
        tokenizer: PreTrainedTokenizerBase | None = None,
        text_encoder: PreTrainedModel | None = None,
        vae: Any | None = None,
        num_inference_steps: int = 30,
        guidance_scale: float = 1.0,
        frame_rate: float = 8.0,
    ) -> None:
        super().__init__()
        self.register_modules(
            transformer=transformer,
            scheduler=scheduler,
            processor=processor,
            tokenizer=tokenizer,
            text_encoder=text_encoder,
            vae=vae,
        )
        self.register_to_config(
            num_inference_steps=num_inference_steps, guidance_scale=guidance_scale, frame_rate=frame_rate
        )
        self._guidance_scale = guidance_scale
        self._num_timesteps = 0
        self._interrupt = False

    @property
    def guidance_scale(self) -> float:
        """Of the running or last call."""
        return self._guidance_scale

    @property
    def do_classifier_free_guidance(self) -> bool:
        """Whether the running or last call evaluates the model twice a step."""
        return self._guidance_scale != 1.0

    @property
    def num_timesteps(self) -> int:
        """Steps of the running or last call."""
        return self._num_timesteps

    @property
    def interrupt(self) -> bool:
        """Set `pipe._interrupt = True` in a callback to stop after the step."""
        return self._interrupt

    @torch.no_grad()
    def __call__(
        self,
        prompt: str | list[str] | None = None,
        *,
        class_ids: list[int] | torch.Tensor | None = None,
        num_videos_per_prompt: int = 1,
        num_frames: int | None = None,
        height: int | None = None,
        width: int | None = None,
        num_inference_steps: int | None = None,
        guidance_scale: float | None = None,
        generator: torch.Generator | list[torch.Generator] | None = None,
        latents: torch.Tensor | None = None,
        output_type: Literal["pil", "np", "pt", "latent"] = "pil",
        return_dict: bool = True,
        callback_on_step_end: StepEndCallback | None = None,
        callback_on_step_end_tensor_inputs: list[str] | tuple[str, ...] = ("latents",),
    ) -> VideoGenerationPipelineOutput | tuple[Any]:
        r"""Generate `len(prompt) * num_videos_per_prompt` videos; those of one prompt follow each other.

        Args:
            prompt: a caption or several; None for an unconditional or class-conditional model.
            class_ids: one class per video, for a model with classes.
            num_frames, height, width: of the video, by default those the model was trained for; multiples of the
                patch (times the autoencoder's compression).
            num_inference_steps, guidance_scale: by default those saved with the pipeline. 1.0 is no guidance;
                above, predictions are pushed away from the unconditional ones (Ho & Salimans 2022, arXiv:2207.12598).
            generator: one for all (noise is drawn video by video, so a batch holds the same videos as single calls
                made in turn) or one per video.
            latents: the starting noise, shaped like the transformer's clips, instead of drawing it.
            output_type: see `VideoGenerationPipelineOutput`.
            callback_on_step_end: called `(pipeline, step, timestep, tensors)` after each step; tensors it returns
                replace the loop's.

        Raises:
            ValueError: an argument that does not fit the model, with the expectation.
        """
        self._check_callback_inputs(callback_on_step_end_tensor_inputs)
        steps = self.config.num_inference_steps if num_inference_steps is None else num_inference_steps
        if steps < 1:
            raise ValueError(f"num_inference_steps={steps} must be at least 1.")
        self._guidance_scale = self.config.guidance_scale if guidance_scale is None else guidance_scale
        self._interrupt = False
        device, dtype = self._execution_device, self.transformer.dtype

        # 1. What to generate.
        prompts, classes = self._expand_conditions(prompt, class_ids, num_videos_per_prompt)
        count = len(prompts) if prompts is not None else len(classes) if classes is not None else num_videos_per_prompt
        conditions = self._encode_conditions(prompts, classes, device=device)

        # 2. Where to start.
        shape = self.clip_shape(num_frames=num_frames, height=height, width=width)
        if latents is None:
            latents = draw_latents((count, *shape), generator=generator)
        elif latents.shape != (count, *shape):
            raise ValueError(f"latents has shape {tuple(latents.shape)}; expected {(count, *shape)}.")
        latents = latents.to(device=device, dtype=torch.float32)

        # 3. Denoise.
        objective = build_objective(self.transformer.config)
        wanted = wanted_prediction(self.scheduler)
        timesteps = set_timesteps(self.scheduler, steps, device=device)
        self._num_timesteps = len(timesteps)
        with self.progress_bar(total=len(timesteps)) as progress:
            for i, scheduler_timestep in enumerate(timesteps):
                timestep = model_timestep(self.scheduler, scheduler_timestep, objective=objective.name).expand(count)
                scaled = latents
                if hasattr(self.scheduler, "scale_model_input"):
                    scaled = self.scheduler.scale_model_input(latents, scheduler_timestep)
                prediction = self._predict(scaled.to(dtype), timestep.to(device), conditions).float()
                prediction = objective.convert(prediction, scaled, timestep.to(device), to=wanted)
                latents = self.scheduler.step(prediction, scheduler_timestep, latents, return_dict=False)[0]
                if callback_on_step_end is not None:
                    tensors = {}
                    for name in callback_on_step_end_tensor_inputs:
                        tensors[name] = locals()[name]
                    changed = callback_on_step_end(self, i, scheduler_timestep, tensors) or {}
                    latents = changed.pop("latents", latents)
                progress.update()
                if self._interrupt:
                    break

        # 4. To frames.
        frames: Any = latents
        if output_type != "latent":
            video = decode_latents(self.vae, latents).to(latents.device) if self.vae is not None else latents
            frames = self.processor.postprocess(video.clamp(-1, 1), output_type=output_type)
        self.maybe_free_model_hooks()
        return VideoGenerationPipelineOutput(frames=frames) if return_dict else (frames,)

    def clip_shape(
        self, *, num_frames: int | None = None, height: int | None = None, width: int | None = None
    ) -> tuple[int, int, int, int]:
        """The transformer's clip `(frames, channels, height, width)` for a video of a size (default: the trained one).

        Raises:
            ValueError: a size that the patch and the autoencoder do not divide, naming the nearest that works.
        """
        config = self.transformer.config
        # An autoencoder that compresses time keeps the first frame apart: 4n + 1 frames make n + 1 latents.
        keeps_first = config.temporal_compression > 1
        sizes = []
        for name, asked, default, compression, patch, first in (
            ("num_frames", num_frames, config.sample_frames, config.temporal_compression, 0, keeps_first),
            ("height", height, config.sample_height, config.spatial_compression, 1, False),
            ("width", width, config.sample_width, config.spatial_compression, 2, False),
        ):
            size = default if asked is None else asked
            latent, nearest = fit_latent_size(
                size, compression=compression, patch=config.patch_size[patch], keeps_first=first
            )
            if nearest:
                raise ValueError(f"{name}={size} does not fit this model: the nearest that work are {nearest}.")
            sizes.append(latent)
        return sizes[0], config.num_channels, sizes[1], sizes[2]

    def _check_callback_inputs(self, names: list[str] | tuple[str, ...]) -> None:
        unknown = [name for name in names if name not in self._callback_tensor_inputs]
        if unknown:
            raise ValueError(
                f"callback_on_step_end_tensor_inputs has {unknown}; known: {self._callback_tensor_inputs}."
            )

    def _expand_conditions(
        self, prompt: str | list[str] | None, class_ids: Any | None, videos_per_prompt: int
    ) -> tuple[list[str] | None, torch.Tensor | None]:
        """Prompts and classes, one per video."""
        prompts = [prompt] if isinstance(prompt, str) else prompt
        classes = None if class_ids is None else torch.as_tensor(class_ids).reshape(-1)
        if prompts is not None and not prompts:
            raise ValueError("prompt is an empty list; give at least one caption.")
        if prompts is not None and self.tokenizer is None:
            raise ValueError("this pipeline has no tokenizer: it cannot read prompts.")
        if prompts is not None and classes is not None and len(prompts) != len(classes):
            raise ValueError(f"{len(prompts)} prompts were given with {len(classes)} class_ids; give one each.")
        if prompts is not None:
            prompts = [text for text in prompts for _ in range(videos_per_prompt)]
        return prompts, None if classes is None else classes.repeat_interleave(videos_per_prompt)

    def _encode_conditions(
        self, prompts: list[str] | None, classes: torch.Tensor | None, *, device: torch.device
    ) -> dict[str, torch.Tensor]:
        """The transformer's condition arguments, one row per video."""
        conditions: dict[str, torch.Tensor] = {}
        if prompts is not None:
            # Cut as in training: the tokenizer carries the longest caption the model learned from.
            limit = self.tokenizer.model_max_length
            cut = {"truncation": True, "max_length": limit} if limit < NO_LIMIT else {}
            tokens = self.tokenizer(prompts, padding=True, return_tensors="pt", **cut)
            conditions["attention_mask"] = tokens["attention_mask"].to(device)
            if self.text_encoder is None:
                conditions["input_ids"] = tokens["input_ids"].to(device)
            else:
                # A text encoder may stay on the CPU while the rest is on a GPU.
                tokens = tokens.to(self.text_encoder.device)
                encoded = self.text_encoder(tokens["input_ids"], attention_mask=tokens["attention_mask"])
                states = encoded.last_hidden_state
                conditions["encoder_hidden_states"] = states.to(device=device, dtype=self.transformer.dtype)
        if classes is not None:
            conditions["class_ids"] = classes.to(device)
        return conditions

    def _predict(
        self, noisy: torch.Tensor, timestep: torch.Tensor, conditions: dict[str, torch.Tensor]
    ) -> torch.Tensor:
        """The transformer's prediction, guided when asked: conditional and unconditional halves in one batch."""
        if not self.do_classifier_free_guidance or not conditions:
            return self.transformer(noisy, timestep, **conditions).sample
        count = noisy.shape[0]
        doubled = {name: torch.cat((value, value)) for name, value in conditions.items()}
        dropped = torch.arange(2 * count, device=noisy.device) >= count
        both = self.transformer(
            torch.cat((noisy, noisy)), torch.cat((timestep, timestep)), condition_dropout_mask=dropped, **doubled
        ).sample
        conditional, unconditional = both.chunk(2)
        return unconditional + self._guidance_scale * (conditional - unconditional)


def draw_latents(shape: tuple[int, ...], *, generator: torch.Generator | list[torch.Generator] | None) -> torch.Tensor:
    """Standard normal noise `(videos, frames, channels, height, width)`, drawn video by video.

    Raises:
        ValueError: as many generators as videos are expected.
    """
    generators = generator if isinstance(generator, list) else [generator] * shape[0]
    if len(generators) != shape[0]:
        raise ValueError(
            f"{len(generators)} generators were given for {shape[0]} videos; give one each, or one in all."
        )
    return torch.stack(
        [torch.randn(shape[1:], generator=g, device=g.device if g is not None else "cpu").cpu() for g in generators]
    )
