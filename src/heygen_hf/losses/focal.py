"""Focal loss (Lin et al. 2017, arXiv:1708.02002)."""

from collections.abc import Sequence
from typing import Any, Literal, get_args

import torch
from torch.nn import functional as F

from heygen_hf.losses.bad_input import (
    check_choice,
    check_class_ids,
    check_class_weights,
    check_same_shape,
    check_some_target_counts,
    check_weight,
    class_weights_for,
)
from heygen_hf.losses.loss import Loss, full_precision

FocalKind = Literal["multi_class", "multi_label"]
Reduction = Literal["mean", "sum", "none"]
SMALLEST_ERROR = 1e-12


class FocalLoss(Loss):
    """Cross-entropy in which what is already right counts little: `(1 - p) ** gamma * -log(p)`.

    Gamma 0 is plain cross-entropy. Use it where easy examples outnumber the hard ones, as the background does in
    detection and segmentation.

    | input | `kind="multi_class"` | `kind="multi_label"` |
    |---|---|---|
    | `logits` | `(batch, classes, ...)` any real | `(batch, ...)` or `(batch, classes, ...)` any real |
    | `labels` | `(batch, ...)` long in [0, classes) or `ignore_index` | shape of `logits`, 0, 1 or `ignore_index` |
    | returns | scalar, or `(batch, ...)` for `reduction="none"` | scalar, or the shape of `logits` |

    The mean is taken over what is not ignored: positions for `multi_class`, single decisions for `multi_label`.
    (monai's mean for softmax is over classes too: `classes` times smaller.)

    Args:
        kind: one class a position, or any number of them.
        gamma: how fast the easy ones fade, 0 or more.
        alpha: for `multi_label`, weight of the positives in [0, 1]; negatives weigh `1 - alpha`.
        class_weights: one weight for each class.
        ignore_index: a label that does not count.
        reduction: `mean`, `sum` or `none`.

    Example:
        >>> loss = FocalLoss(gamma=2.0)(torch.randn(4, 10), torch.randint(0, 10, (4,)))
    """

    summary = "cross-entropy that fades for what is already right"
    citation = "Lin et al. 2017, arXiv:1708.02002"

    def __init__(
        self,
        *,
        kind: FocalKind = "multi_class",
        gamma: float = 2.0,
        alpha: float | None = None,
        class_weights: Sequence[float] | None = None,
        ignore_index: int = -100,
        reduction: Reduction = "mean",
    ) -> None:
        super().__init__()
        check_choice("kind", kind, get_args(FocalKind))
        check_choice("reduction", reduction, get_args(Reduction))
        check_weight("gamma", gamma)
        if alpha is not None and kind == "multi_class":
            raise ValueError(f"alpha={alpha} weighs positives against negatives: for multi_class give class_weights.")
        if alpha is not None and not 0 <= alpha <= 1:
            raise ValueError(f"alpha={alpha} must be in [0, 1], the weight of the positives.")
        self.kind = kind
        self.gamma = gamma
        self.alpha = alpha
        self.class_weights = check_class_weights(class_weights)
        self.ignore_index = ignore_index
        self.reduction = reduction

    def options(self) -> dict[str, Any]:
        return {
            "kind": self.kind,
            "gamma": self.gamma,
            "alpha": self.alpha,
            "class_weights": list(self.class_weights) if self.class_weights else None,
            "ignore_index": self.ignore_index,
            "reduction": self.reduction,
        }

    def forward(self, logits: torch.Tensor, labels: torch.Tensor) -> torch.Tensor:
        logits = full_precision(logits)
        if self.kind == "multi_class":
            loss, counted = self._multi_class(logits, labels)
        else:
            loss, counted = self._multi_label(logits, labels)
        loss = loss * counted
        if self.reduction == "none":
            return loss
        return loss.sum() / counted.sum() if self.reduction == "mean" else loss.sum()

    def _multi_class(self, logits: torch.Tensor, labels: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        if logits.ndim < 2 or labels.shape != logits.shape[:1] + logits.shape[2:]:
            raise ValueError(
                f"logits have shape {tuple(logits.shape)} and labels {tuple(labels.shape)}: expected "
                "(batch, classes, ...) and (batch, ...)."
            )
        num_classes = logits.shape[1]
        check_class_ids(labels, num_classes=num_classes, ignore_index=self.ignore_index)
        counted = labels != self.ignore_index
        ids = labels.where(counted, 0)
        log_p = logits.log_softmax(1).gather(1, ids[:, None]).squeeze(1)
        loss = -log_p * _error(-torch.expm1(log_p)) ** self.gamma
        weights = class_weights_for(self.class_weights, logits, num_classes)
        return loss if weights is None else loss * weights[ids], counted

    def _multi_label(self, logits: torch.Tensor, labels: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        check_same_shape("logits", logits, "labels", labels)
        labels = labels.to(logits.dtype)
        counted = labels != self.ignore_index
        check_some_target_counts(counted, ignore_index=self.ignore_index)
        if not torch.compiler.is_compiling():
            wrong = counted & (labels != 0) & (labels != 1)
            if bool(wrong.any()):
                raise ValueError(f"label {labels[wrong][0]:g} given; expected 0, 1 or {self.ignore_index} a decision.")
        target = labels.where(counted, 0)
        # The probability of the wrong answer, without the cancellation of 1 - p.
        error = torch.sigmoid(logits * (1 - 2 * target))
        loss = F.binary_cross_entropy_with_logits(logits, target, reduction="none") * _error(error) ** self.gamma
        if self.alpha is not None:
            loss = loss * (self.alpha * target + (1 - self.alpha) * (1 - target))
        if self.class_weights is not None:
            weights = class_weights_for(self.class_weights, logits, logits.shape[1] if logits.ndim > 1 else 1)
            assert weights is not None
            loss = loss * weights.reshape(-1, *(1,) * (logits.ndim - 2))
        return loss, counted


def _error(probability: torch.Tensor) -> torch.Tensor:
    # A gamma below 1 has an infinite slope at 0.
    return probability.clamp(min=SMALLEST_ERROR)
