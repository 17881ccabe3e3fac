"""How the clips of each source weigh in the loss, and what they are compared with."""

from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass, replace
from typing import Literal

import torch

from heygen_hf.losses import DenoisingObjective
from heygen_hf.losses.objective import Denoise, ObjectiveOutput


@dataclass(frozen=True, kw_only=True)
class SourceLoss:
    """The loss of the clips of one source.

    Attributes:
        weight: of each of its samples; a batch's loss is the mean over all of its samples, so weighted.
        target: "clips", or "base": what the transformer as it was before the training predicts of the same noisy clip.
    """

    weight: float = 1.0
    target: Literal["clips", "base"] = "clips"


class SourceLosses:
    """What makes one loss of a batch whose clips are from several sources.

    Args:
        of: source → its loss; all others count as they are.
        as_before: a context in which the transformer predicts as before the training; for the target "base".

    Raises:
        ValueError: a target "base" without `as_before`.
    """

    def __init__(
        self, of: Mapping[str, SourceLoss], *, as_before: Callable[[], AbstractContextManager] | None = None
    ) -> None:
        self.of, self.as_before = dict(of), as_before
        towards = [name for name, loss in of.items() if loss.target == "base"]
        if towards and as_before is None:
            raise ValueError(f"the target of {towards[0]} is the base's prediction, and nothing says what that is")

    def __call__(
        self,
        result: ObjectiveOutput,
        sources: Sequence[str],
        *,
        objective: DenoisingObjective,
        denoise_rows: Callable[[torch.Tensor], Denoise],
        noisy: torch.Tensor,
        timestep: torch.Tensor,
    ) -> ObjectiveOutput:
        """The result with these losses.

        Args:
            result: of the batch as if all of it were own clips.
            sources: of each sample.
            denoise_rows: from row numbers to what denoises these rows under their own conditions.
            noisy, timestep: of the batch.
        """
        known = [self.of.get(name, SourceLoss()) for name in sources]
        losses = result.loss_per_sample
        towards_base = [row for row, loss in enumerate(known) if loss.target == "base"]
        if towards_base:
            assert self.as_before is not None
            rows = torch.tensor(towards_base, device=noisy.device)
            with torch.no_grad(), self.as_before():
                base = denoise_rows(rows)(noisy[rows], timestep[rows])
            errors = objective.error(result.prediction[rows].float(), base.float(), timestep[rows])
            losses = losses.index_copy(0, rows, errors.to(losses.dtype))
        weights = torch.tensor([loss.weight for loss in known], dtype=losses.dtype).to(losses.device)
        return replace(result, loss=(losses * weights).mean(), loss_per_sample=losses)
