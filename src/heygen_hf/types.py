"""Validated batches that travel between data, models and pipelines; they print shapes, not pixels."""

from dataclasses import dataclass, fields
from typing import Any

import torch


def _describe(value: Any) -> str:
    if isinstance(value, torch.Tensor):
        return f"{str(value.dtype).removeprefix('torch.')}{tuple(value.shape)}"
    return repr(value)


class _PrintsShapes:
    def __repr__(self) -> str:
        shown = ", ".join(f"{f.name}={_describe(getattr(self, f.name))}" for f in fields(self))  # type: ignore[arg-type]
        return f"{type(self).__name__}({shown})"


@dataclass(frozen=True, repr=False, eq=False)
class VideoClip(_PrintsShapes):
    """Frames of one clip as they came out of a decoder.

    Attributes:
        frames: uint8 RGB, `(frames, channels, height, width)`.
        frame_rate: frames per second of the source.
        timestamps_seconds: `(frames,)`, when each frame is shown; None where the source does not say.
        source_size: upright height and width in the file, before anything was scaled; None where unknown.
    """

    frames: torch.Tensor
    frame_rate: float
    timestamps_seconds: torch.Tensor | None = None
    source_size: tuple[int, int] | None = None

    def __post_init__(self) -> None:
        if self.frames.dtype != torch.uint8 or self.frames.ndim != 4:
            raise ValueError(f"frames is {_describe(self.frames)}; expected uint8 (frames, channels, height, width)")
        if not self.frame_rate > 0:
            raise ValueError(f"frame_rate is {self.frame_rate}; expected frames per second above 0")
        stamps = self.timestamps_seconds
        if stamps is not None and stamps.shape != self.frames.shape[:1]:
            raise ValueError(
                f"timestamps_seconds is {_describe(stamps)}; expected one value for each of the "
                f"{self.frames.shape[0]} frames"
            )

    @property
    def num_frames(self) -> int:
        return self.frames.shape[0]

    @property
    def duration_seconds(self) -> float:
        return self.num_frames / self.frame_rate


@dataclass(frozen=True, repr=False, eq=False)
class VideoTextBatch(_PrintsShapes):
    """A batch as a model's `forward` takes it.

    Attributes:
        pixel_values: floating point, `(batch, frames, channels, height, width)`; or latents of that layout.
        pixel_mask: bool `(batch,)`, False where an item has no video and `pixel_values` is zeros.
        input_ids: `(batch, tokens)` caption tokens, padded.
        attention_mask: `(batch, tokens)`, 1 at tokens and 0 at padding.
        encoder_hidden_states: floating point `(batch, tokens, width)`, captions as an encoder left them, padded.
        encoder_attention_mask: `(batch, tokens)`, 1 at tokens and 0 at padding.
        audio_values: floating point `(batch, samples)`, mono, padded.
        audio_attention_mask: `(batch, samples)`, 1 at samples and 0 at padding.
        audio_features: floating point `(batch, input frames, width)`, what is heard at each frame.
        class_ids: `(batch,)`, or `(batch, label columns)` where there are several.
    """

    pixel_values: torch.Tensor
    pixel_mask: torch.Tensor | None = None
    input_ids: torch.Tensor | None = None
    attention_mask: torch.Tensor | None = None
    encoder_hidden_states: torch.Tensor | None = None
    encoder_attention_mask: torch.Tensor | None = None
    audio_values: torch.Tensor | None = None
    audio_attention_mask: torch.Tensor | None = None
    audio_features: torch.Tensor | None = None
    class_ids: torch.Tensor | None = None

    def __post_init__(self) -> None:
        if self.pixel_values.ndim != 5 or not self.pixel_values.is_floating_point():
            raise ValueError(
                f"pixel_values is {_describe(self.pixel_values)}; expected floating point "
                "(batch, frames, channels, height, width)"
            )
        batch_size = self.pixel_values.shape[0]
        for name, dims in _BATCH_DIMS.items():
            value = getattr(self, name)
            if value is not None and (value.ndim not in dims or value.shape[0] != batch_size):
                raise ValueError(
                    f"{name} is {_describe(value)}; expected {' or '.join(map(str, dims))} dimensions with "
                    f"{batch_size} first, as in pixel_values"
                )
        for name in ("encoder_hidden_states", "audio_values", "audio_features"):
            value = getattr(self, name)
            if value is not None and not value.is_floating_point():
                raise ValueError(f"{name} is {_describe(value)}; expected floating point")
        for mask_name, name in _MASK_OF.items():
            mask, value = getattr(self, mask_name), getattr(self, name)
            if mask is not None and value is not None and mask.shape != value.shape[: mask.ndim]:
                raise ValueError(
                    f"{mask_name} is {_describe(mask)}; expected the shape of {name} {tuple(value.shape[: mask.ndim])}"
                )

    def to_dict(self) -> dict[str, torch.Tensor]:
        """Name to tensor, without the fields that are None: `model(**batch.to_dict())`."""
        named = {field.name: getattr(self, field.name) for field in fields(self)}
        return {name: value for name, value in named.items() if value is not None}


_BATCH_DIMS = {
    "pixel_mask": (1,),
    "input_ids": (2,),
    "attention_mask": (2,),
    "encoder_hidden_states": (3,),
    "encoder_attention_mask": (2,),
    "audio_values": (2,),
    "audio_attention_mask": (2,),
    "audio_features": (3,),
    "class_ids": (1, 2),
}
_MASK_OF = {
    "attention_mask": "input_ids",
    "encoder_attention_mask": "encoder_hidden_states",
    "audio_attention_mask": "audio_values",
}
