"""From clips to what a network takes. Every choice here moves the figures, so each is recorded with them."""

from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any, Literal, get_args

import torch
from torch.nn import functional as F

if TYPE_CHECKING:
    from heygen_hf.processing.resizing import Interpolation

Layout = Literal["frames_first", "channels_first", "images", "single_frame_clips"]
FrameChoice = Literal["first", "even"]


@dataclass(frozen=True, kw_only=True)
class FeaturePreprocessing:
    """How clips in [0, 1] are brought to a network.

    Attributes:
        height, width: frames are stretched to this; None leaves them as they are.
        interpolation, antialias: of the resize; implementations differ here, and their figures with them.
        value_range: what [0, 1] becomes.
        mean, std: of each channel, taken off and divided by after that; None for none.
        num_frames: of each clip; None for all.
        frame_stride: every so-manieth frame.
        frame_choice: the `first` so many frames, or so many spread `even`ly over the clip.
        layout: `frames_first` `(batch, frames, channels, height, width)`, `channels_first` `(batch, channels, frames,
            height, width)`, `images` `(batch * frames, channels, height, width)`, or `single_frame_clips` `(batch *
            frames, 1, channels, height, width)`.
    """

    height: int | None = None
    width: int | None = None
    interpolation: "Interpolation" = "bilinear"
    antialias: bool = True
    value_range: tuple[float, float] = (0.0, 1.0)
    mean: tuple[float, ...] | None = None
    std: tuple[float, ...] | None = None
    num_frames: int | None = None
    frame_stride: int = 1
    frame_choice: FrameChoice = "first"
    layout: Layout = "frames_first"

    def __post_init__(self) -> None:
        from heygen_hf.processing.resizing import Interpolation  # its room imports transformers

        for name, choices in (
            ("interpolation", get_args(Interpolation)),
            ("frame_choice", get_args(FrameChoice)),
            ("layout", get_args(Layout)),
        ):
            if getattr(self, name) not in choices:
                raise ValueError(f"{name} is {getattr(self, name)!r}; expected one of {', '.join(choices)}")
        if (self.mean is None) != (self.std is None):
            raise ValueError("mean and std go together: give both, or neither")
        if (self.height is None) != (self.width is None):
            raise ValueError("height and width go together: give both, or neither")
        if self.frame_stride < 1 or (self.num_frames is not None and self.num_frames < 1):
            raise ValueError(
                f"num_frames={self.num_frames} and frame_stride={self.frame_stride} must be at least 1, or None"
            )

    @property
    def takes_images(self) -> bool:
        return self.layout in ("images", "single_frame_clips")

    def frame_numbers(self, total_frames: int) -> list[int]:
        """Which frames of a clip are looked at.

        Raises:
            ValueError: the clip is too short.
        """
        wanted = self.num_frames
        if self.frame_choice == "even" and wanted is not None:
            if total_frames < wanted:
                raise _too_short(total_frames, wanted)
            return torch.linspace(0, total_frames - 1, wanted).round().long().tolist()
        numbers = list(range(0, total_frames, self.frame_stride))
        if wanted is None:
            return numbers
        if len(numbers) < wanted:
            raise _too_short(total_frames, (wanted - 1) * self.frame_stride + 1)
        return numbers[:wanted]

    def __call__(self, clips: torch.Tensor) -> torch.Tensor:
        """`(batch, frames, channels, height, width)` in [0, 1] as the network takes it.

        Raises:
            ValueError: clips that are too short.
        """
        batch = clips.shape[0]
        pixels = clips[:, self.frame_numbers(clips.shape[1])].float()
        if pixels.shape[2] == 1:
            pixels = pixels.expand(-1, -1, 3, -1, -1)
        frames = pixels.flatten(0, 1)
        if self.height is not None and self.width is not None and frames.shape[-2:] != (self.height, self.width):
            frames = self._resized(frames)
        low, high = self.value_range
        if self.value_range != (0.0, 1.0):
            frames = frames * (high - low) + low
        if self.mean is not None and self.std is not None:
            mean, std = (frames.new_tensor(values)[:, None, None] for values in (self.mean, self.std))
            frames = (frames - mean) / std
        if self.layout == "images":
            return frames
        if self.layout == "single_frame_clips":
            return frames[:, None]
        pixels = frames.unflatten(0, (batch, -1))
        return pixels.transpose(1, 2) if self.layout == "channels_first" else pixels

    def _resized(self, frames: torch.Tensor) -> torch.Tensor:
        size = (self.height, self.width)
        if self.interpolation in ("bilinear", "bicubic"):
            resized = F.interpolate(
                frames, size=size, mode=self.interpolation, antialias=self.antialias, align_corners=False
            )
            return resized.clamp(0, 1)  # bicubic overshoots
        return F.interpolate(frames, size=size, mode="nearest-exact" if self.interpolation == "nearest" else "area")

    def to_dict(self) -> dict[str, Any]:
        return asdict(self)


def _too_short(total_frames: int, needed: int) -> ValueError:
    return ValueError(
        f"clips have {total_frames} frames and the features need {needed}; give longer clips, or features of fewer "
        "frames (num_frames)"
    )
