"""Frames that a call gives instead of having them generated: images, the start of a clip, a clip with a mask.

Given frames are resized by the processor's policy, stand at timestep 0 while the rest is denoised, and come out as they
went in. With an autoencoder a latent frame is given only where everything it stands for is.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import torch

from heygen_hf.pipelines.latents import encode_to_posterior, normalize_latents

# Which of the patterns of training teach what a call asks for.
_TEACHERS = {
    "first": {"first", "prefix", "random", "each"},
    "prefix": {"prefix", "random", "each"},
    "first_and_last": {"first_and_last", "random", "each"},
    "random": {"random", "each"},
    "region": {"region"},
}


@dataclass(frozen=True)
class GivenClips:
    """What is given, in pixels.

    Attributes:
        pixels: `(videos, frames, channels, height, width)` as the processor normalises them, 0 where nothing is given.
        given: bool, `(videos, frames, 1, 1, 1)` or `(videos, frames, 1, height, width)`.
    """

    pixels: torch.Tensor
    given: torch.Tensor

    @classmethod
    def prefix(cls, frames: torch.Tensor, *, num_frames: int) -> "GivenClips":
        """The first frames of clips of `num_frames`: `frames` `(videos, given frames, channels, height, width)`."""
        pixels = frames.new_zeros((frames.shape[0], num_frames, *frames.shape[2:]))
        pixels[:, : frames.shape[1]] = frames
        given = (torch.arange(num_frames) < frames.shape[1]).expand(len(frames), -1)
        return cls(pixels, given[..., None, None, None])

    def paste(self, video: torch.Tensor) -> torch.Tensor:
        """The video with what was given in its place, to the last bit."""
        return torch.where(self.given.to(video.device), self.pixels.to(video), video)

    def pattern(self) -> str:
        """The pattern of training that is nearest."""
        if self.given.shape[-1] > 1:
            return "region"
        rows = self.given.flatten(1)
        kinds = {_pattern(row) for row in rows}
        return kinds.pop() if len(kinds) == 1 else "random"

    def to_transformer(self, config: Any, vae: Any | None, *, device: torch.device) -> "GivenLatents":
        """As the transformer sees it.

        Raises:
            ValueError: given frames that fill no whole latent frame.
        """
        if vae is None:
            latents = self.pixels
        elif config.temporal_compression > 1:
            latents = self._encode_prefixes(config, vae)
        else:
            latents = _encode(vae, self.pixels)
        cell = [config.spatial_compression * size for size in config.patch_size[1:]]
        if config.temporal_compression > 1:
            # the first frame is compressed by itself: frame 1 + c * n is the last of latent n
            given = self.given[:, :: config.temporal_compression].flatten(1)
        elif self.given.shape[-1] == 1:
            given = self.given.flatten(1)
        else:
            whole = self.given[:, :, 0].unflatten(3, (-1, cell[1])).unflatten(2, (-1, cell[0]))
            given = whole.all(dim=5).all(dim=3)
        return GivenLatents(latents.to(device=device, dtype=torch.float32), given.to(device), config.patch_size)

    def _encode_prefixes(self, config: Any, vae: Any) -> torch.Tensor:
        compression = config.temporal_compression
        counts = self.given.flatten(1).sum(1).tolist()
        starts = [_pattern(row) for row in self.given.flatten(1)] if self.given.shape[-1] == 1 else ["region"]
        if set(starts) - {"first", "prefix"}:
            raise ValueError(
                f"this model's latents stand for {compression} frames each: it can be given the first frames of a clip "
                "(image, video), neither its last one (last_image) nor parts of it (mask)."
            )
        for count in counts:
            if (count - 1) % compression:
                below = (count - 1) // compression * compression + 1
                raise ValueError(
                    f"{count} given frames fill no whole number of latents: the first frame has one and the others one "
                    f"for {compression}; give {below} or {below + compression}."
                )
        # Autoencoders of video look back, never ahead: what follows the given frames changes nothing of their latents.
        # Some take no other number of frames than those of whole clips, so the last given frame fills the rest.
        frames = torch.arange(self.pixels.shape[1])
        filled = [clip[frames.clamp(max=count - 1)] for clip, count in zip(self.pixels, counts, strict=True)]
        return _encode(vae, torch.stack(filled))


@dataclass(frozen=True)
class GivenLatents:
    """What is given, as the transformer sees it: pixels or latents.

    Attributes:
        clip: `(videos, frames, channels, height, width)`.
        given: bool `(videos, frames)`, or `(videos, frames, rows, columns)` over patches.
        patch_size: of the transformer.
    """

    clip: torch.Tensor
    given: torch.Tensor
    patch_size: tuple[int, ...]

    def timesteps(self, timestep: torch.Tensor) -> torch.Tensor:
        """`(videos,)` where something is generated, 0 where it is given; shaped like `given`."""
        return torch.where(self.given, 0.0, timestep.reshape(-1, *[1] * (self.given.ndim - 1)))

    def put(self, latents: torch.Tensor, clip: torch.Tensor | float | None = None) -> torch.Tensor:
        """Latents with what is given (or another clip's part there) in its place."""
        given = self.given
        if given.ndim == 4:
            given = given.repeat_interleave(self.patch_size[1], 2).repeat_interleave(self.patch_size[2], 3)
        given = given.reshape(*given.shape[:2], 1, *(given.shape[2:] or (1, 1)))
        return torch.where(given, self.clip if clip is None else clip, latents)


def missing_pattern(learned: Sequence[str] | None, pattern: str) -> str | None:
    """What to warn of where a model never learned from what it is given; None where it did."""
    if learned is None:
        return "this model was trained without given frames: it will hardly take them up (training.given_frames)."
    if not _TEACHERS[pattern] & set(learned):
        return f"this model learned from given frames of the kinds {', '.join(learned)}, not of {pattern!r}."
    return None


def count_given(found: dict[str, list[torch.Tensor]], *, num_prompts: int | None) -> int:
    """How many videos the given frames are for, before repeats.

    Raises:
        ValueError: they are neither one nor as many as the prompts (or each other).
    """
    count = num_prompts or max((len(some) for some in found.values()), default=1)
    for name, some in found.items():
        if len(some) not in (1, count):
            what = "prompts" if num_prompts else "videos"
            raise ValueError(f"{name} holds {len(some)} for {count} {what}; give one each, or one for all.")
    return count


def place_given(found: dict[str, list[torch.Tensor]], *, count: int, repeats: int, num_frames: int) -> GivenClips:
    """What was read, in clips of `num_frames`, `repeats` of each of `count`.

    Raises:
        ValueError: more frames than there is room for, or a mask that leaves nothing to generate.
    """
    pixels, given = [], []
    for i in range(count):
        one = {name: some[i % len(some)] for name, some in found.items()}
        start = one.get("video", one.get("image"))
        length, like = 0 if start is None else len(start), next(iter(one.values()))
        ends = int("last_image" in one)
        if "mask" in one and length != num_frames:
            raise ValueError(f"video has {length} frames and num_frames is {num_frames}; with a mask they must agree.")
        if "mask" not in one and length + ends >= num_frames:
            raise ValueError(
                f"{length + ends} frames are given and num_frames is {num_frames}: nothing is left to generate; raise "
                "num_frames or give less."
            )
        clip = torch.zeros(num_frames, *like.shape[1:])
        if start is not None:
            clip[:length] = start
        if ends:
            clip[-1] = one["last_image"][0]
        if "mask" in one:
            keep = ~one["mask"]
            keep = keep[:, None, None] if keep.ndim == 1 else keep
            if keep.shape[0] not in (1, num_frames):
                raise ValueError(f"mask has {keep.shape[0]} frames and video {num_frames}; expected as many, or one.")
            if keep.all():
                raise ValueError("mask is false everywhere: nothing is left to generate.")
            keep = keep.expand(num_frames, -1, -1)[:, None]
        else:
            place = torch.arange(num_frames)
            keep = ((place < length) | (place >= num_frames - ends))[:, None, None, None]
        pixels.append(torch.where(keep, clip, torch.zeros(())))
        given.append(keep)
    height, width = (max(one.shape[axis] for one in given) for axis in (2, 3))
    stacked = torch.stack([one.expand(-1, 1, height, width) for one in given])
    return GivenClips(torch.stack(pixels).repeat_interleave(repeats, 0), stacked.repeat_interleave(repeats, 0))


def _pattern(given: torch.Tensor) -> str:
    """The pattern of one clip, `(frames,)`."""
    count = int(given.sum())
    if bool(given[:count].all()):
        return "first" if count == 1 else "prefix"
    return "first_and_last" if count == 2 and bool(given[0]) and bool(given[-1]) else "random"


def _encode(vae: Any, pixels: torch.Tensor) -> torch.Tensor:
    """Latents as in training: the posterior's mean, normalised."""
    mean, _ = encode_to_posterior(vae, pixels.to(device=vae.device, dtype=vae.dtype))
    return normalize_latents(vae, mean.float().transpose(1, 2)).transpose(1, 2)
