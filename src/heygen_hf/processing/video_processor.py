"""`VideoProcessor`: sampling, resize, crop and normalisation of clips, without torchvision.

One object serves training, evaluation and generation, and is saved with the model as
`preprocessor_config.json`.
"""

import difflib
import math
from collections.abc import Sequence
from dataclasses import replace
from typing import Any, Literal, TypedDict, get_args

import numpy as np
import torch
from PIL import Image

# A pipeline loads a component through the base class its *module* exposes, hence the second import of a base.
from transformers.image_processing_base import BatchFeature, ImageProcessingMixin
from transformers.image_processing_utils import BaseImageProcessor

from heygen_hf.processing.frame_sampling import (
    BLACK_FRAME,
    FramePosition,
    FrameSelection,
    PadPolicy,
    frames_shown_at,
    select_frames,
)
from heygen_hf.processing.resizing import (
    Interpolation,
    ResizeMode,
    crop_frames,
    pad_frames,
    scale_frames,
    scaled_size,
)
from heygen_hf.processing.seeding import draw_below
from heygen_hf.processing.video_input import as_clips
from heygen_hf.types import VideoClip

__all__ = ["ImageProcessingMixin", "VideoProcessor"]

CropPosition = Literal["center", "random"]

_CROP_STREAM = 2  # keeps the draw of the crop apart from that of the frames, which has the same seed
_WRITTEN_BY_TRANSFORMERS = {"image_processor_type", "processor_class", "feature_extractor_type", "auto_map"}


class VideoProcessorFields(TypedDict, total=False):
    """What `from_pretrained(..., field=value)` may override."""

    num_frames: int
    temporal_stride: int
    target_fps: float | None
    frame_position: FramePosition
    pad_policy: PadPolicy
    height: int
    width: int
    resize_mode: ResizeMode
    crop_position: CropPosition
    interpolation: Interpolation
    image_mean: float | Sequence[float]
    image_std: float | Sequence[float]


class VideoProcessor(BaseImageProcessor):
    """Turns clips into `pixel_values` `(batch, frames, channels, height, width)` in [-1, 1], and back.

    Args:
        num_frames: frames of every processed clip.
        temporal_stride: take every n-th frame of the source.
        target_fps: sample at this rate instead, whatever the rate of the source; not together with a stride.
        frame_position: where in the clip: "start", "center", "random" (by seed), or "uniform" from first to
            last.
        pad_policy: what a clip with too few frames gets: "repeat_last", "loop" from its start, "zero" (black
            frames), or "drop" (it is left out, and reported).
        height, width: size of every processed frame.
        resize_mode: "cover" scales until the frame is filled and crops the rest, "contain" scales until all
            of it fits and adds black bars, "stretch" changes the aspect, "none" crops without scaling.
        crop_position: "center", or "random" (by seed, the same for all frames of a clip).
        interpolation: "bilinear" and "bicubic" are antialiased; "area" averages; "nearest" picks.
        image_mean, image_std: one number, or one for each channel, of values in [0, 1].

    Raises:
        ValueError: a field has a value that cannot work, or is unknown.
    """

    model_input_names = ["pixel_values"]  # noqa: RUF012  (transformers' own declaration)
    valid_kwargs = VideoProcessorFields  # type: ignore[assignment]

    def __init__(
        self,
        num_frames: int = 8,
        temporal_stride: int = 1,
        target_fps: float | None = None,
        frame_position: FramePosition = "start",
        pad_policy: PadPolicy = "repeat_last",
        height: int = 32,
        width: int = 32,
        resize_mode: ResizeMode = "cover",
        crop_position: CropPosition = "center",
        interpolation: Interpolation = "bilinear",
        image_mean: float | Sequence[float] = 0.5,
        image_std: float | Sequence[float] = 0.5,
        **kwargs: Any,
    ) -> None:
        for name in kwargs:
            if name not in _WRITTEN_BY_TRANSFORMERS and not name.startswith("_"):
                known = list(VideoProcessorFields.__annotations__)
                nearest = difflib.get_close_matches(name, known, n=1)
                hint = f"did you mean {nearest[0]!r}?" if nearest else f"known are {', '.join(known)}"
                raise ValueError(f"VideoProcessor has no field {name!r}; {hint}")
        super().__init__(**kwargs)
        self.num_frames = num_frames
        self.temporal_stride = temporal_stride
        self.target_fps = target_fps
        self.frame_position: FramePosition = frame_position
        self.pad_policy: PadPolicy = pad_policy
        self.height = height
        self.width = width
        self.resize_mode: ResizeMode = resize_mode
        self.crop_position: CropPosition = crop_position
        self.interpolation: Interpolation = interpolation
        self.image_mean = image_mean
        self.image_std = image_std
        self._check_fields()

    def _check_fields(self) -> None:
        for name in ("num_frames", "temporal_stride", "height", "width"):
            value = getattr(self, name)
            if isinstance(value, bool) or not isinstance(value, int) or value < 1:
                raise ValueError(f"{name} is {value!r}; expected a whole number from 1")
        for name, choices in (
            ("frame_position", FramePosition),
            ("pad_policy", PadPolicy),
            ("resize_mode", ResizeMode),
            ("crop_position", CropPosition),
            ("interpolation", Interpolation),
        ):
            if getattr(self, name) not in get_args(choices):
                raise ValueError(f"{name} is {getattr(self, name)!r}; expected one of {', '.join(get_args(choices))}")
        if self.target_fps is not None:
            if not self.target_fps > 0:
                raise ValueError(f"target_fps is {self.target_fps!r}; expected frames per second above 0, or None")
            if self.temporal_stride != 1:
                raise ValueError(
                    f"temporal_stride is {self.temporal_stride} and target_fps {self.target_fps}; set one of the two"
                )
        if any(not std > 0 for std in np.atleast_1d(self.image_std)):
            raise ValueError(f"image_std is {self.image_std!r}; expected values above 0")

    def select_frames(
        self,
        total_frames: int,
        frame_rate: float,
        *,
        seed: int | None = None,
        timestamps_seconds: Sequence[float] | np.ndarray | torch.Tensor | None = None,
    ) -> FrameSelection:
        """Choose the frames to use of a clip, by the fields of this processor; random positions by `seed` alone.

        With `target_fps` the clip is taken as what is on screen at each tick of that rate: 30 frames/s at 20 is frames
        0, 1, 3, 4, 6.

        Args:
            total_frames: frames of the clip.
            frame_rate: its frames per second (matters with `target_fps` only).
            seed: decides `frame_position="random"`; without one the frames come from the centre.
            timestamps_seconds: ascending `(total_frames,)`, when each frame appears, for clips whose rate varies; None
                for a steady one (matters with `target_fps` only).
        """
        choices: dict[str, Any] = {
            "num_frames": self.num_frames,
            "frame_position": self.frame_position,
            "pad_policy": self.pad_policy,
            "seed": seed,
        }
        if self.target_fps is None or total_frames < 1:
            return select_frames(total_frames, stride=self.temporal_stride, **choices)
        stamps = np.arange(total_frames) / frame_rate if timestamps_seconds is None else timestamps_seconds
        shown = frames_shown_at(self.target_fps, stamps)
        selection = select_frames(len(shown), **choices)
        indices = tuple(index if index == BLACK_FRAME else int(shown[index]) for index in selection.indices)
        return replace(selection, indices=indices)

    def scale(self, frames: torch.Tensor) -> torch.Tensor:
        """The part of `resize_and_crop` that no seed decides, so that its result can be stored.

        Args:
            frames: uint8 `(frames, channels, source height, source width)`.

        Returns:
            uint8 `(frames, channels, scaled height, scaled width)`, at least `height` x `width` but for
            "contain".
        """
        size = scaled_size(*frames.shape[-2:], height=self.height, width=self.width, resize_mode=self.resize_mode)
        if self.resize_mode == "none" and (size[0] < self.height or size[1] < self.width):
            raise ValueError(
                f"frames of {size[0]}x{size[1]} (height x width) are smaller than {self.height}x{self.width} "
                "and resize_mode is 'none'; choose 'cover', 'contain' or 'stretch'"
            )
        return scale_frames(frames, height=size[0], width=size[1], interpolation=self.interpolation)

    def crop(self, frames: torch.Tensor, *, seed: int | None = None) -> torch.Tensor:
        """Cut scaled frames to `height` x `width`, or put black bars around them ("contain")."""
        spare_rows, spare_columns = frames.shape[-2] - self.height, frames.shape[-1] - self.width
        top, left = max(0, spare_rows) // 2, max(0, spare_columns) // 2
        if self.crop_position == "random" and seed is not None:
            top = draw_below(max(0, spare_rows) + 1, seed, _CROP_STREAM, 0)
            left = draw_below(max(0, spare_columns) + 1, seed, _CROP_STREAM, 1)
        cropped = crop_frames(frames, height=self.height, width=self.width, top=top, left=left)
        return pad_frames(cropped, height=self.height, width=self.width)

    def resize_and_crop(self, frames: torch.Tensor, *, seed: int | None = None) -> torch.Tensor:
        """Bring frames to the size of this processor; frames that have it already come back untouched.

        Args:
            frames: uint8 `(frames, channels, source height, source width)`.
            seed: decides `crop_position="random"`; without one the crop is central.

        Returns:
            uint8 `(frames, channels, height, width)`
        """
        return self.crop(self.scale(frames), seed=seed)

    def normalize(self, frames: torch.Tensor) -> torch.Tensor:  # type: ignore[override]
        """uint8 `(..., channels, height, width)` to float32, [-1, 1] with the default mean and deviation."""
        mean, std = self._statistics(frames)
        return frames.to(torch.float32).div_(std * 255).sub_(mean / std)

    def to_uint8(self, video: torch.Tensor) -> torch.Tensor:
        """The inverse of `normalize`, values outside the range clipped; exact for what `normalize` made."""
        return self._to_unit_range(video).mul_(255).round_().to(torch.uint8)

    def _to_unit_range(self, video: torch.Tensor) -> torch.Tensor:
        mean, std = self._statistics(video)
        return video.detach().to(torch.float32).mul(std).add_(mean).clamp_(0, 1)

    def _statistics(self, like: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        """Mean and deviation that broadcast over `(..., channels, height, width)`."""
        mean = torch.as_tensor(self.image_mean, dtype=torch.float32, device=like.device)
        std = torch.as_tensor(self.image_std, dtype=torch.float32, device=like.device)
        return (mean if mean.ndim == 0 else mean[:, None, None]), (std if std.ndim == 0 else std[:, None, None])

    def __call__(  # type: ignore[override]
        self,
        videos: Any,
        return_tensors: str | None = "pt",
        seed: int | Sequence[int] | None = None,
        frame_rate: float | None = None,
    ) -> BatchFeature:
        """Sample, resize and normalise clips.

        Args:
            videos: one clip or a list of them. A clip is a uint8 tensor `(frames, channels, height, width)`,
                a uint8 array `(frames, height, width, channels)`, a list of PIL images, or a `VideoClip`.
            return_tensors: "pt" or "np".
            seed: decides random frames and crops; one for every clip, or a list of one each.
            frame_rate: of the clips that are no `VideoClip`, needed with `target_fps`.

        Returns:
            `pixel_values` `(batch, frames, channels, height, width)`.

        Raises:
            ValueError: an input of another kind, or a clip too short under `pad_policy="drop"`.
        """
        clips = as_clips(videos)
        seeds = list(seed) if isinstance(seed, Sequence) else [seed] * len(clips)
        if len(seeds) != len(clips):
            raise ValueError(f"{len(seeds)} seeds for {len(clips)} clips; expected one each, or a single seed")
        batch = []
        for clip, clip_seed in zip(clips, seeds, strict=True):
            frames, rate = (clip.frames, clip.frame_rate) if isinstance(clip, VideoClip) else (clip, frame_rate)
            if rate is None and self.target_fps is not None:
                raise ValueError(f"target_fps is {self.target_fps}, so the clips' own rate is needed: pass frame_rate")
            selection = self.select_frames(frames.shape[0], rate or math.nan, seed=clip_seed)
            if not selection.keep:
                raise ValueError(
                    f"a clip of {frames.shape[0]} frames is too short for {self.num_frames} and pad_policy "
                    "is 'drop'; leave it out, or choose 'repeat_last', 'loop' or 'zero'"
                )
            batch.append(self.resize_and_crop(selection.take(frames), seed=clip_seed))
        pixel_values = self.normalize(torch.stack(batch))
        return BatchFeature(data={"pixel_values": pixel_values}, tensor_type=return_tensors)

    preprocess = __call__  # type: ignore[assignment]

    def postprocess(
        self, video: torch.Tensor, output_type: Literal["pt", "np", "pil"] = "pil"
    ) -> torch.Tensor | np.ndarray | list[list[Image.Image]]:
        """Undo the normalisation and hand videos out in the form asked for.

        Args:
            video: `(batch, frames, channels, height, width)`, [-1, 1] with the default mean and deviation.
            output_type: "pt" keeps the layout, values in [0, 1]; "np" is `(batch, frames, height, width,
                channels)` in [0, 1]; "pil" is a list of images for each video.
        """
        if video.ndim != 5:
            raise ValueError(f"video has shape {tuple(video.shape)}; expected (batch, frames, channels, height, width)")
        if output_type == "pt":
            return self._to_unit_range(video)
        if output_type == "np":
            return self._to_unit_range(video).permute(0, 1, 3, 4, 2).cpu().numpy()
        if output_type == "pil":
            pixels = self.to_uint8(video).permute(0, 1, 3, 4, 2).cpu().numpy()
            return [[Image.fromarray(frame) for frame in clip] for clip in pixels]
        raise ValueError(f"output_type is {output_type!r}; expected 'pt', 'np' or 'pil'")
