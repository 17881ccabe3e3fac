"""A published generator, called as the package's own pipeline is."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass
from types import SimpleNamespace
from typing import Any

import PIL.Image
import torch

from heygen_hf.models.pretrained_generators import GeneratorFamily
from heygen_hf.pipelines.control_clips import one_for_each, read_control
from heygen_hf.pipelines.denoising import SAMPLING_DEFAULTS
from heygen_hf.pipelines.latents import fit_latent_size
from heygen_hf.pipelines.output import VideoGenerationPipelineOutput
from heygen_hf.pipelines.visiting_parts import one_visitor_at_a_time
from heygen_hf.processing import VideoProcessor

# Of this package's own generators; a family samples by its own pipeline.
_OF_OTHERS = (*SAMPLING_DEFAULTS, *("last_image", "video", "mask", "audio", "class_ids", "prompts_per_window"))


@dataclass
class SamplingDefaults:
    """What a call is made with unless it says otherwise; sizes in pixels, `frame_rate` in frames a second."""

    num_frames: int
    height: int
    width: int
    num_inference_steps: int = 30
    guidance_scale: float = 5.0
    frame_rate: float = 16.0

    def __getitem__(self, name: str) -> Any:
        """As of a configuration of diffusers."""
        return getattr(self, name)


class PretrainedGeneratorPipeline:
    """A family's own pipeline of diffusers with the clip's size and the sampling defaults of a run.

    Args:
        family: around the pipeline.
        config: the defaults.
        processor: what the run's clips were brought to their size with; by default one of the sizes in `config`.
    """

    # Published families hear nothing.
    audio_feature_extractor = audio_encoder = audio_encoder_extractor = None

    def __init__(
        self, family: GeneratorFamily, config: SamplingDefaults, *, processor: VideoProcessor | None = None
    ) -> None:
        self.family, self.config = family, config
        self._computes_on: torch.device | None = None
        sizes = {"num_frames": config.num_frames, "height": config.height, "width": config.width}
        self.processor = VideoProcessor(**sizes) if processor is None else processor

    @property
    def clip_config(self) -> Any:
        """The clip's size, and what is heard, under the names of `VideoGenerationPipeline.clip_config`."""
        config = self.config
        return SimpleNamespace(
            sample_frames=config.num_frames,
            sample_height=config.height,
            sample_width=config.width,
            num_hidden_layers=int(self.family.transformer_config.num_layers),
            audio_hidden_size=None,
        )

    @property
    def tokenizer(self) -> Any:
        """Of captions."""
        return self.family.pipeline.tokenizer

    @property
    def text_encoder(self) -> Any:
        """Of captions, the first where there are several."""
        return self.family.pipeline.text_encoder

    @property
    def vae(self) -> Any:
        """The autoencoder."""
        return self.family.pipeline.vae

    @property
    def scheduler(self) -> Any:
        """Of sampling."""
        return self.family.pipeline.scheduler

    def to(self, device: str | torch.device) -> "PretrainedGeneratorPipeline":
        """Move all parts."""
        self.family.pipeline.to(device)
        return self

    def makes_windows(self, num_frames: int | None, context_frames: int | None = None) -> bool:  # noqa: ARG002
        """Never: a video is made in one piece.

        Raises:
            ValueError: windows were asked for.
        """
        if context_frames is not None:
            raise ValueError(f"context_frames={context_frames}: {self.family.name} makes no windows; leave it out")
        return False

    def clip_shape(
        self, *, num_frames: int | None = None, height: int | None = None, width: int | None = None
    ) -> tuple[int, int, int, int]:
        """The transformer's clip `(frames, channels, height, width)` for a video of a size (default: the run's).

        Raises:
            ValueError: a size that the patch and the autoencoder do not divide, naming the nearest that works.
        """
        family, config = self.family, self.config
        latents = []
        for name, size, compression, patch in (
            ("num_frames", num_frames or config.num_frames, family.temporal_compression, family.patch_size[0]),
            ("height", height or config.height, family.spatial_compression, family.patch_size[1]),
            ("width", width or config.width, family.spatial_compression, family.patch_size[2]),
        ):
            keeps_first = name == "num_frames" and compression > 1
            latent, nearest = fit_latent_size(size, compression=compression, patch=patch, keeps_first=keeps_first)
            if nearest:
                raise ValueError(f"{name}={size} does not fit this model: the nearest that work are {nearest}.")
            latents.append(latent)
        return latents[0], family.latent_channels, latents[1], latents[2]

    @property
    def transformer(self) -> Any:
        """The transformer that denoises."""
        return self.family.pipeline.transformer

    @property
    def device(self) -> torch.device:
        """Where videos are made: where the transformer is, unless within `computing_on`."""
        return self._computes_on or next(self.transformer.parameters()).device

    @contextmanager
    def computing_on(self, device: torch.device) -> Iterator[None]:
        """Within the context videos are made on a device, to which parts that are elsewhere come one at a time."""
        before, self._computes_on = self._computes_on, device
        try:
            yield
        finally:
            self._computes_on = before

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
        guidance_scale: float | dict[str, float] | None = None,
        num_frames: int | None = None,
        height: int | None = None,
        width: int | None = None,
        image: torch.Tensor | Sequence[Any] | None = None,
        video: torch.Tensor | Sequence[Any] | None = None,
        **options: Any,
    ) -> VideoGenerationPipelineOutput:
        """Videos of prompts.

        Args:
            prompt: one, or one for each video.
            generator: one, or one for each video.
            image: first frames `(videos, channels, height, width)` in [0, 1], or pictures, for families that take one.
            video: clips that control, one for each video: `(videos, frames, channels, height, width)` in [0, 1] or
                what `read_control` reads, for families that take one.
            options: of the family's own pipeline.

        Returns:
            `frames` `(videos, frames, channels, height, width)` in [0, 1] with `output_type="pt"`.

        Raises:
            ValueError: a first frame or a clip that controls is missing, or is given to a family that takes none; or an
                option of this package's own generators.
        """
        named = options if self.family.takes_control else {**options, "video": video}
        foreign = [name for name, value in named.items() if name in _OF_OTHERS and value is not None]
        if foreign:
            raise ValueError(
                f"{foreign[0]} is of this package's own generators, and {self.family.name} samples by its own "
                "pipeline of diffusers: leave it out"
            )
        if self.family.takes_control and video is None:
            raise ValueError(f"{self.family.name} generates beside a clip that controls: give video")
        pipe = self.family.pipeline
        if self.family.takes_first_frame == (image is None):
            which = "generates from a first frame: give image" if image is None else "takes no image: leave it out"
            raise ValueError(f"{self.family.name} {which}")
        asked = {
            "num_frames": num_frames or self.config.num_frames,
            "height": height or self.config.height,
            "width": width or self.config.width,
        }
        arguments = self.call_arguments(**asked, num_inference_steps=num_inference_steps)
        self.family.check_steps(arguments["num_inference_steps"])
        arguments |= {"output_type": output_type, **options}
        if isinstance(guidance_scale, dict):
            raise ValueError(f"guidance_scale={guidance_scale}: {self.family.name} is guided by one number; give it")
        if guidance_scale is not None:
            arguments["guidance_scale"] = guidance_scale
        prompts = [prompt] if isinstance(prompt, str) else list(prompt)
        generators = generator if isinstance(generator, list) else [generator] * len(prompts)
        own_dtype = _inputs_in_own_dtype(self.transformer) if self.family.has_one_dtype else nullcontext()
        # Encoders wait on the CPU while the transformer trains, and together they may fill the device.
        with own_dtype, one_visitor_at_a_time(pipe, self.device):
            if image is None and video is None:
                noise = None if generator is None else generators
                frames = pipe(prompt=prompts, generator=noise, **arguments).frames
                return VideoGenerationPipelineOutput(frames=frames)
            given = self._given(len(prompts), image=image, video=video, sizes=asked)
            # These pipelines take one picture, or one clip, a call.
            made = [
                pipe(prompt=one, generator=its, **arguments, **this).frames
                for this, one, its in zip(given, prompts, generators, strict=True)
            ]
        return VideoGenerationPipelineOutput(frames=torch.cat(made))

    def _given(self, count: int, *, image: Any, video: Any, sizes: dict[str, int]) -> list[dict[str, Any]]:
        """What the family's own pipeline is given for each prompt."""
        if video is None:
            return [{"image": as_picture(first)} for first in image]
        return [
            self.family.control_arguments(read_control(clip, self.processor, **sizes))
            for clip in one_for_each(video, count)
        ]

    def call_arguments(self, **sizes: int | None) -> dict[str, Any]:
        """What the family's own pipeline is called with for a video, but for prompt, noise and picture.

        Args:
            sizes: in place of the run's `height`, `width`, `num_frames` and `num_inference_steps`.
        """
        asked = {**vars(self.config), **{name: value for name, value in sizes.items() if value is not None}}
        ours = {name: asked[name] for name in ("height", "width", "num_frames", "frame_rate")}
        settings = {name: asked[name] for name in ("num_inference_steps", "guidance_scale")}
        return self.family.sampling_arguments(**ours) | settings


@contextmanager
def _inputs_in_own_dtype(transformer: torch.nn.Module) -> Iterator[None]:
    """Hand a transformer what it is given in its own data type, where the pipeline's other parts have another.

    In training a base in 16 bits stands beside encoders as they were saved, which some pipelines do not expect.
    """
    names = ("hidden_states", "encoder_hidden_states", "ofs")

    def cast(_: torch.nn.Module, args: tuple[Any, ...], inputs: dict[str, Any]) -> tuple[Any, dict[str, Any]]:
        dtype = transformer.dtype
        return args, {
            name: value.to(dtype) if name in names and isinstance(value, torch.Tensor) else value
            for name, value in inputs.items()
        }

    hook = transformer.register_forward_pre_hook(cast, with_kwargs=True)
    try:
        yield
    finally:
        hook.remove()


def as_picture(frame: torch.Tensor | PIL.Image.Image) -> PIL.Image.Image:
    """A frame `(channels, height, width)` in [0, 1] as these pipelines take it: image encoders expect 8 bits."""
    if isinstance(frame, PIL.Image.Image):
        return frame
    values = (frame.float() * 255).round().clamp(0, 255).to(torch.uint8)
    return PIL.Image.fromarray(values.permute(1, 2, 0).cpu().numpy())
