"""A generated clip beside its target: their layout, and which frames count."""

import torch

from heygen_hf.losses.bad_input import check_same_shape


def check_clip_pair(
    prediction: torch.Tensor, target: torch.Tensor, frame_mask: torch.Tensor | None = None
) -> torch.Tensor:
    """The frame mask as bool `(batch, frames)`, all True where none was given.

    Raises:
        ValueError: the clips are not `(batch, frames, channels, height, width)` of one shape, the mask does not
            fit them, or no frame counts.
    """
    check_same_shape("prediction", prediction, "target", target)
    if prediction.ndim != 5 or not prediction.is_floating_point() or prediction.numel() == 0:
        raise ValueError(
            f"clips are {prediction.dtype} of shape {tuple(prediction.shape)}: expected floating point "
            "(batch, frames, channels, height, width)."
        )
    if frame_mask is None:
        return torch.ones(prediction.shape[:2], dtype=torch.bool, device=prediction.device)
    if frame_mask.shape != prediction.shape[:2]:
        raise ValueError(
            f"frame_mask has shape {tuple(frame_mask.shape)}: expected {tuple(prediction.shape[:2])}, one a frame."
        )
    frame_mask = frame_mask.bool()
    if not torch.compiler.is_compiling() and not bool(frame_mask.any()):
        raise ValueError("frame_mask is False for every frame of the batch: nothing to learn from.")
    return frame_mask


def frame_mean(error: torch.Tensor, counted: torch.Tensor) -> torch.Tensor:
    """Mean of `(batch, frames, ...)` over the frames that count, 0 where there are none."""
    weights = counted.reshape(*counted.shape, *(1,) * (error.ndim - 2))
    total = error.where(weights, 0).sum()
    return total / (counted.sum().clamp(min=1) * error[0, 0].numel())


def with_uncounted_of(prediction: torch.Tensor, target: torch.Tensor, counted: torch.Tensor) -> torch.Tensor:
    """The prediction with the target's frames where none counts: equal in both, they say and teach nothing.

    Taken out before anything is computed: a masked error would still send nan back to a frame that is nan.
    """
    return torch.where(counted[..., None, None, None], prediction, target)
