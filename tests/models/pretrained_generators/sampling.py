"""What a pipeline gives its transformer, and what training gives it for the same clip, prompts and timestep."""

from collections.abc import Sequence
from typing import Any

import numpy as np
import torch
from PIL import Image
from tiny_pipelines import TINY_CLIPS

from heygen_hf.data import VideoTextCollator
from heygen_hf.models.pretrained_generators import GeneratorFamily, family_of
from heygen_hf.processing import VideoProcessor


def family_around(pipeline: Any) -> GeneratorFamily:
    return family_of(type(pipeline).__name__)(pipeline)


def picture(number: int = 0) -> Image.Image:
    pixels = np.random.default_rng(number).integers(0, 256, (32, 32, 3), dtype=np.uint8)
    return Image.fromarray(pixels)


def frames_of(pictures: Sequence[Image.Image]) -> torch.Tensor:
    """`(batch, channels, height, width)` in [-1, 1], as a data set gives them."""
    values = torch.stack([torch.from_numpy(np.array(image)).permute(2, 0, 1) for image in pictures])
    return 2.0 * (values.float() / 255) - 1


def latent_shape(family: GeneratorFamily, clip: dict[str, int], *, batch: int) -> tuple[int, ...]:
    """`(batch, frames, channels, height, width)`."""
    temporal, spatial = family.temporal_compression, family.spatial_compression
    frames = (clip["num_frames"] - 1) // temporal + 1
    frames += -frames % family.frames_per_token  # as the pipeline does
    return batch, frames, family.latent_channels, clip["height"] // spatial, clip["width"] // spatial


class Run:
    """A run of a pipeline without guidance.

    Attributes:
        inputs: the transformer's keyword arguments at each step.
        noisy: the latents at each step, `(batch, frames, channels, height, width)`, and behind them the result.
        outputs: what the transformer returned at each step.
    """

    def __init__(
        self,
        pipeline: Any,
        name: str,
        prompts: Sequence[str],
        *,
        steps: int = 2,
        family: GeneratorFamily | None = None,
        keep: list[torch.Tensor] | None = None,
        **options: Any,
    ) -> None:
        self.pipeline, self.name, self.family = pipeline, name, family or family_around(pipeline)
        self.clip = TINY_CLIPS[name]
        self.shape = latent_shape(self.family, self.clip, batch=len(prompts))
        first = options.pop("latents", None)
        if first is None:
            first = torch.randn(self.shape, generator=torch.Generator().manual_seed(0))
        self.inputs: list[dict[str, Any]] = []
        self.outputs: list[torch.Tensor] = []
        self.noisy = [] if keep is None else keep
        self.noisy.append(first)
        hooks = [
            pipeline.transformer.register_forward_pre_hook(self._keep_inputs, with_kwargs=True),
            pipeline.transformer.register_forward_hook(lambda _, __, output: self.outputs.append(output[0])),
        ]
        sizes = self.family.sampling_arguments(frame_rate=25, **self.clip)
        options = {"guidance_scale": 1.0, "output_type": "latent", **sizes, **options}
        try:
            result = pipeline(
                prompt=list(prompts) if len(prompts) > 1 else prompts[0],
                num_inference_steps=steps,
                latents=self._given(first),
                callback_on_step_end=self._keep_latents,
                **options,
            )
        finally:
            for hook in hooks:
                hook.remove()
        self.frames = result.frames

    def _keep_inputs(self, _: Any, args: tuple[Any, ...], inputs: dict[str, Any]) -> None:
        assert not args
        ignored = {"return_dict": False, "attention_kwargs": None}
        assert all(inputs[key] == value for key, value in ignored.items())
        self.inputs.append({key: value for key, value in inputs.items() if key not in ignored})

    def _keep_latents(self, _: Any, __: int, ___: Any, tensors: dict[str, Any]) -> dict[str, Any]:
        latents = tensors["latents"]
        if "ltx" in self.name:
            frames, _, height, width = self.shape[1:]
            latents = self.pipeline._unpack_latents(latents, frames, height, width).transpose(1, 2)
        elif "cogvideox" not in self.name:
            latents = latents.transpose(1, 2)
        self.noisy.append(latents.float().clone())
        return {}

    def _given(self, noisy: torch.Tensor) -> torch.Tensor:
        """Latents as the pipeline takes them."""
        if "ltx" in self.name:
            return self.pipeline._pack_latents(noisy.transpose(1, 2))
        if "cogvideox" in self.name:
            return noisy.to(self.pipeline.transformer.dtype)
        return noisy.transpose(1, 2)

    def timestep(self, step: int) -> torch.Tensor:
        """How noisy the latents were at a step, 0 clean and 1 noise: `(batch,)` or `(batch, frames)`."""
        told = self.inputs[step]["timestep"]
        if "cogvideox" in self.name:
            return (told + 1) / 1000
        if "mochi" in self.name:
            return 1 - self.pipeline.scheduler.sigmas[step].expand(len(told))
        if told.ndim == 2:
            told = told.view(len(told), self.shape[1], -1)
            assert torch.equal(told, told[..., :1].expand_as(told))
            told = told[..., 0]
        return told / 1000


def collated(family: GeneratorFamily, prompts: Sequence[str], **others: torch.Tensor) -> dict[str, torch.Tensor]:
    """Prompts as a batch of training has them: encoded one by one, padded to the longest, with a mask."""
    encoded = family.encode_prompts(prompts)
    items = [{"latents": torch.zeros(1, 1, 1, 1), **row} for row in encoded]
    batch = VideoTextCollator(VideoProcessor(num_frames=1, height=1, width=1))(items)
    conditions = {
        "encoder_hidden_states": batch["encoder_hidden_states"],
        "attention_mask": batch["encoder_attention_mask"],
    }
    for name in encoded[0].keys() - {"text_embeddings", "text_embeddings_mask"}:
        conditions[name] = torch.stack([row[name] for row in encoded])
    return conditions | others


def assert_same_inputs(ours: dict[str, Any], theirs: dict[str, Any]) -> None:
    """Equal names, shapes and values; dtypes but for a timestep's, which every transformer makes float32."""
    assert ours.keys() == theirs.keys()
    for name, value in theirs.items():
        _assert_same(name, ours[name], value)


def _assert_same(name: str, ours: Any, theirs: Any) -> None:
    if isinstance(theirs, torch.Tensor):
        assert ours.shape == theirs.shape, name
        if name == "timestep" and not theirs.is_floating_point():
            theirs = theirs.to(ours.dtype)
        assert ours.dtype == theirs.dtype, name
        assert torch.equal(ours, theirs), name
    elif isinstance(theirs, (tuple, list)):
        assert len(ours) == len(theirs), name
        for one, other in zip(ours, theirs, strict=True):
            _assert_same(name, one, other)
    else:
        assert ours == theirs, name
