"""Temporal consistency: a clip changes from frame to frame as its target does, and along the flow not at all."""

from typing import Any, Literal, get_args

import torch
from torch.nn import functional as F

from heygen_hf.losses.bad_input import check_choice, check_weight
from heygen_hf.losses.clip_pairs import check_clip_pair, frame_mean, with_uncounted_of
from heygen_hf.losses.loss import Loss, full_precision

DifferenceNorm = Literal["l1", "l2"]


class TemporalConsistencyLoss(Loss):
    """Flicker, measured twice: by frame differences, and along the optical flow where one is given.

    | input | shape | values |
    |---|---|---|
    | `prediction`, `target` | `(batch, frames, channels, height, width)`, 2 frames or more | any, as [-1, 1] |
    | `flow` | `(batch, frames - 1, 2, height, width)` | pixels right and down: what stands at `x` in frame t stands at `x + flow[t](x)` in frame t + 1 |
    | `reverse_flow` | shape of `flow` | the same from frame t + 1 back to t |
    | `frame_mask` | `(batch, frames)` bool | True at frames that count; a pair counts if both do |
    | returns | scalar | at least 0 |

    *Frame differences*: the distance of `prediction[t + 1] - prediction[t]` from the target's own change.
    *Along the flow*: the distance of `prediction[t]` from frame t + 1 warped back onto it, over pixels that stay in
    the picture and, with `reverse_flow`, that are not occluded: there the flow forth and back does not return,
    `|f + b|^2 > 0.01 (|f|^2 + |b|^2) + 0.5` (Sundaram et al. 2010).

    Args:
        norm: `l1` or `l2`.
        difference_weight, warp_weight: weights of the two; the second counts only where a flow is given.

    Example:
        >>> loss = TemporalConsistencyLoss()(prediction, target, flow=flow)
    """  # noqa: E501 - a table's row is one line

    summary = "flicker: frame differences against the target's, and the change along the optical flow"
    citation = "Lai et al. 2018, arXiv:1808.00449; occlusion: Sundaram et al. 2010"

    def __init__(
        self, *, norm: DifferenceNorm = "l1", difference_weight: float = 1.0, warp_weight: float = 1.0
    ) -> None:
        super().__init__()
        check_choice("norm", norm, get_args(DifferenceNorm))
        check_weight("difference_weight", difference_weight)
        check_weight("warp_weight", warp_weight)
        self.norm = norm
        self.difference_weight = difference_weight
        self.warp_weight = warp_weight

    def options(self) -> dict[str, Any]:
        return {"norm": self.norm, "difference_weight": self.difference_weight, "warp_weight": self.warp_weight}

    def forward(
        self,
        prediction: torch.Tensor,
        target: torch.Tensor,
        *,
        flow: torch.Tensor | None = None,
        reverse_flow: torch.Tensor | None = None,
        frame_mask: torch.Tensor | None = None,
    ) -> torch.Tensor:
        counted = check_clip_pair(prediction, target, frame_mask)
        if prediction.shape[1] < 2:
            raise ValueError("clips of 1 frame do not change: give 2 frames or more, or leave this loss out.")
        if reverse_flow is not None and flow is None:
            raise ValueError("reverse_flow tells what is occluded along the flow: give flow as well.")
        pairs = counted[:, 1:] & counted[:, :-1]
        prediction = full_precision(with_uncounted_of(prediction, target, counted))
        target = full_precision(target)
        change = prediction.diff(dim=1) - target.diff(dim=1)
        loss = self.difference_weight * frame_mean(self._distance(change), pairs)
        if flow is not None:
            loss = loss + self.warp_weight * self._along_flow(prediction, flow, reverse_flow, pairs)
        return loss

    def _distance(self, difference: torch.Tensor) -> torch.Tensor:
        return difference.abs() if self.norm == "l1" else difference.square()

    def _along_flow(
        self, clip: torch.Tensor, flow: torch.Tensor, reverse_flow: torch.Tensor | None, pairs: torch.Tensor
    ) -> torch.Tensor:
        expected = (clip.shape[0], clip.shape[1] - 1, 2, *clip.shape[-2:])
        for name, given in (("flow", flow), ("reverse_flow", reverse_flow)):
            if given is not None and given.shape != expected:
                raise ValueError(
                    f"{name} has shape {tuple(given.shape)}: expected (batch, frames - 1, 2, height, width), "
                    f"here {expected}."
                )
        flat_flow = full_precision(flow).flatten(0, 1)
        warped, visible = warp_backward(clip[:, 1:].flatten(0, 1), flat_flow)
        if reverse_flow is not None:
            visible = visible & ~occluded(flat_flow, full_precision(reverse_flow).flatten(0, 1))
        visible = visible & pairs.flatten()[:, None, None, None]
        error = self._distance(clip[:, :-1].flatten(0, 1) - warped).where(visible, 0)
        return error.sum() / (visible.sum().clamp(min=1) * clip.shape[2])


def warp_backward(frames: torch.Tensor, flow: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
    """`frames` looked up at `x + flow(x)`, bilinearly.

    Args:
        frames: `(batch, channels, height, width)`.
        flow: `(batch, 2, height, width)` in pixels, right and down.

    Returns:
        the warped frames, and bool `(batch, 1, height, width)`, False where the look-up left the picture.
    """
    height, width = frames.shape[-2:]
    rows = torch.arange(height, dtype=flow.dtype, device=flow.device)[:, None]
    columns = torch.arange(width, dtype=flow.dtype, device=flow.device)
    x, y = columns + flow[:, 0], rows + flow[:, 1]
    # With align_corners=False pixel i of n lies at (2 i + 1) / n - 1.
    grid = torch.stack(((2 * x + 1) / width - 1, (2 * y + 1) / height - 1), dim=-1)
    warped = F.grid_sample(frames, grid.to(frames.dtype), mode="bilinear", padding_mode="border", align_corners=False)
    inside = (x >= 0) & (x <= width - 1) & (y >= 0) & (y <= height - 1)
    return warped, inside[:, None]


def occluded(flow: torch.Tensor, reverse_flow: torch.Tensor) -> torch.Tensor:
    """Where going along `flow` and back does not end where it began: bool `(batch, 1, height, width)`."""
    back, _ = warp_backward(reverse_flow, flow)
    error = (flow + back).square().sum(1, keepdim=True)
    size = flow.square().sum(1, keepdim=True) + back.square().sum(1, keepdim=True)
    return error > 0.01 * size + 0.5
