"""Does what is seen go with what is heard? A mean over clips that have sound."""

from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any, ClassVar

import torch

from heygen_hf.evaluation.clip_figures.sync import signal_sync
from heygen_hf.evaluation.clip_stream import ClipBatch
from heygen_hf.evaluation.measuring import Measurement, MeasuringSettings
from heygen_hf.evaluation.registry.averages import AverageOfFigures, FigurePerClip
from heygen_hf.evaluation.registry.metric import MetricContext, with_prefix, without_prefix
from heygen_hf.evaluation.talking_faces.mouth import mouth_opening

PictureSignal = Callable[[torch.Tensor], Any]
"""A clip `(frames, channels, height, width)` in [0, 1] → `(frames,)`, a number a frame."""

_STILL = 1e-9  # a signal that changes by less does not change
_MOST_OFFSETS = 15


class AudioVideoSync(AverageOfFigures):
    """The signal of the picture against that of the sound, which `compute_metrics` is given as `sounds`.

    Clips whose sound never changes are left out, because nothing can follow it; a picture that never changes follows
    nothing, and counts as 0.

    Args:
        picture_signal: by default how far the mouth of a drawn face is open.
    """

    name = "audio_video_sync"
    convention = (
        "correlation of a signal of the picture with the loudness of its sound, at the offset of up to 15 frames (a "
        "quarter of a clip's) either way where it is highest, the mean over clips with sound that changes"
    )
    unit = "correlation"
    needs_sounds: ClassVar[bool] = True

    def __init__(
        self, picture_signal: PictureSignal | None = None, *, settings: MeasuringSettings | None = None
    ) -> None:
        super().__init__(settings=settings)
        self.picture_signal = picture_signal or mouth_opening
        # of generated clips, beside the figure: at no offset, how much better than a usual offset, and whether
        # the best offset is within a frame
        self.further = {name: FigurePerClip() for name in ("correlation_unmoved", "confidence", "in_sync", "silent")}

    def update(self, batch: ClipBatch) -> None:
        if batch.sounds is None:
            raise ValueError("audio_video_sync needs the sound of each clip; give sounds")
        self._take_in(batch, self.generated, self.further)

    def update_references(self, batch: ClipBatch) -> None:
        if batch.sounds is not None:  # there are others than clips
            self._take_in(batch, self.references, {})

    def _take_in(self, batch: ClipBatch, figures: FigurePerClip, further: Mapping[str, FigurePerClip]) -> None:
        assert batch.sounds is not None
        for clip, sound, index in zip(batch.clips, batch.sounds, batch.indices.tolist(), strict=True):
            signal = torch.as_tensor(self.picture_signal(clip)).double().flatten()
            found = {"silent": 1.0} if _is_still(sound) else _sync(signal, sound.double())
            if "correlation" in found:
                figures.add(torch.tensor([found["correlation"]]), torch.tensor([index]))
            for name in further.keys() & found.keys():
                further[name].add(torch.tensor([found[name]]), torch.tensor([index]))

    def to_tensors(self) -> dict[str, torch.Tensor]:
        tensors = super().to_tensors()
        for name, figures in self.further.items():
            tensors |= with_prefix(name, figures.to_tensors())
        return tensors

    def merge_tensors(self, tensors: Mapping[str, torch.Tensor]) -> None:
        super().merge_tensors(tensors)
        for name, figures in self.further.items():
            part = without_prefix(name, tensors)
            figures.add(part["values"], part["indices"])

    def measure(self, context: MetricContext) -> Measurement:
        values = {name: figures.in_order() for name, figures in self.further.items()}
        num_silent = len(values["silent"])
        if num_silent and not len(self.generated.in_order()):
            raise ValueError(
                f"audio_video_sync: the sound of none of {num_silent} clips changes; give some with speech"
            )
        found = super().measure(context)
        details = {
            "correlation_unmoved": float(values["correlation_unmoved"].mean()),
            "confidence": float(values["confidence"].mean()),
            "in_sync": float(values["in_sync"].mean()),
            "num_silent": num_silent,
        }
        return replace(found, details={**found.details, **details})

    def options(self) -> dict[str, Any]:
        signal = self.picture_signal
        return {"picture": getattr(signal, "__name__", type(signal).__name__), "max_offset_frames": _MOST_OFFSETS}


def _is_still(signal: torch.Tensor) -> bool:
    return float(signal.double().std()) <= _STILL


def _sync(picture: torch.Tensor, sound: torch.Tensor) -> dict[str, float]:
    """Of one clip; a still picture is in no step with anything, wherever it is moved to."""
    if picture.shape != sound.shape:
        raise ValueError(
            f"audio_video_sync: {len(picture)} frames and {len(sound)} numbers of sound; give one for each frame"
        )
    if _is_still(picture):
        return {"correlation": 0.0, "correlation_unmoved": 0.0, "confidence": 0.0, "in_sync": 0.0}
    score = signal_sync(picture, sound, max_offset_frames=max(1, min(_MOST_OFFSETS, len(picture) // 4)))
    unmoved = float(torch.corrcoef(torch.stack([picture, sound]))[0, 1])
    return {
        "correlation": score.correlation,
        "correlation_unmoved": unmoved,
        "confidence": score.confidence,
        "in_sync": float(abs(score.offset_frames) <= 1),
    }
