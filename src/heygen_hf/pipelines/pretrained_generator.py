"""A published generator, called as the package's own pipeline is."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import PIL.Image
import torch

from heygen_hf.models.pretrained_generators import GeneratorFamily
from heygen_hf.pipelines.output import VideoGenerationPipelineOutput


@dataclass
class SamplingDefaults:
    """What a call is made with unless it says otherwise; sizes in pixels, `frame_rate` in frames a second."""

    num_frames: int
    height: int
    width: int
    num_inference_steps: int = 30
    guidance_scale: float = 5.0
    frame_rate: float = 16.0


class PretrainedGeneratorPipeline:
    """A family's own pipeline of diffusers with the clip's size and the sampling defaults of a run.

    Args:
        family: around the pipeline.
        config: the defaults.
    """

    def __init__(self, family: GeneratorFamily, config: SamplingDefaults) -> None:
        self.family, self.config = family, config

    @property
    def transformer(self) -> Any:
        """The transformer that denoises."""
        return self.family.pipeline.transformer

    @property
    def device(self) -> torch.device:
        """Where the transformer is."""
        return next(self.transformer.parameters()).device

    def set_progress_bar_config(self, **options: Any) -> None:
        """As of any pipeline of diffusers."""
        self.family.pipeline.set_progress_bar_config(**options)

    @torch.no_grad()
    def __call__(
        self,
        prompt: str | Sequence[str],
        *,
        generator: torch.Generator | list[torch.Generator] | None = None,
        output_type: str = "pt",
        num_inference_steps: int | None = None,
        guidance_scale: float | None = None,
        num_frames: int | None = None,
        height: int | None = None,
        width: int | None = None,
        image: torch.Tensor | None = None,
        **options: Any,
    ) -> VideoGenerationPipelineOutput:
        """Videos of prompts.

        Args:
            prompt: one, or one for each video.
            generator: one, or one for each video.
            image: first frames `(videos, channels, height, width)` in [0, 1], for families that take one.
            options: of the family's own pipeline.

        Returns:
            `frames` `(videos, frames, channels, height, width)` in [0, 1] with `output_type="pt"`.

        Raises:
            ValueError: a first frame is missing, or is given to a family that takes none.
        """
        pipe, config = self.family.pipeline, self.config
        if self.family.takes_first_frame == (image is None):
            which = "generates from a first frame: give image" if image is None else "takes no image: leave it out"
            raise ValueError(f"{self.family.name} {which}")
        sizes = self.family.sampling_arguments(
            height=height or config.height,
            width=width or config.width,
            num_frames=num_frames or config.num_frames,
            frame_rate=config.frame_rate,
        )
        arguments = {
            **sizes,
            "num_inference_steps": num_inference_steps or config.num_inference_steps,
            "guidance_scale": config.guidance_scale if guidance_scale is None else guidance_scale,
            "output_type": output_type,
            **options,
        }
        self._gather(pipe)
        prompts = [prompt] if isinstance(prompt, str) else list(prompt)
        generators = generator if isinstance(generator, list) else [generator] * len(prompts)
        if image is None:
            return VideoGenerationPipelineOutput(frames=pipe(prompt=prompts, generator=generators, **arguments).frames)
        # These pipelines take one picture a call.
        made = [
            pipe(image=as_picture(first), prompt=one, generator=its, **arguments).frames
            for first, one, its in zip(image, prompts, generators, strict=True)
        ]
        return VideoGenerationPipelineOutput(frames=torch.cat(made))

    def _gather(self, pipe: Any) -> None:
        """Encoders wait on the CPU while the transformer trains; sampling wants them beside it."""
        for name, part in pipe.components.items():
            if isinstance(part, torch.nn.Module) and name != "transformer" and part.device != self.device:
                part.to(self.device)


def as_picture(frame: torch.Tensor) -> PIL.Image.Image:
    """A frame `(channels, height, width)` in [0, 1] as these pipelines take it: image encoders expect 8 bits."""
    values = (frame.float() * 255).round().clamp(0, 255).to(torch.uint8)
    return PIL.Image.fromarray(values.permute(1, 2, 0).cpu().numpy())
