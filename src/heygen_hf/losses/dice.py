"""Soft Dice loss (Milletari et al. 2016, arXiv:1606.04797)."""

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
from heygen_hf.losses.focal import Reduction
from heygen_hf.losses.loss import Loss, full_precision

DiceActivation = Literal["softmax", "sigmoid", "none"]
DiceDenominator = Literal["plain", "squared"]
DiceRegion = Literal["sample", "batch"]


class DiceLoss(Loss):
    """`1 - 2 |p ∩ y| / (|p| + |y|)` for each class: overlap, whatever the size of what is segmented.

    | input | shape | values |
    |---|---|---|
    | `logits` | `(batch, classes, height, width)` or with `frames`/`depth` before height | any real; probabilities for `activation="none"` |
    | `labels` | class ids `(batch, ...)` long, or one map for each class with the shape of `logits` | in [0, classes) or `ignore_index`; or 0, 1, `ignore_index` |
    | returns | scalar; `(batch, classes)` or, over the batch, `(classes,)` for `reduction="none"` | [0, 1] before class weights |

    A video `(batch, frames, classes, height, width)` is transposed to classes first by the caller: frames are then
    the depth of one volume.

    Args:
        activation: turns logits to probabilities.
        denominator: `plain` sums, or `squared` sums as in the paper.
        reduce_over: one overlap for each sample and class, or for each class over the whole batch.
        include_background: whether class 0 counts.
        class_weights: one weight for each class that counts.
        smooth_numerator, smooth_denominator: added so that an absent class has an overlap at all.
        ignore_index: a label whose position does not count.
        reduction: `mean`, `sum` or `none`.

    Example:
        >>> loss = DiceLoss()(torch.randn(2, 3, 16, 16), torch.randint(0, 3, (2, 16, 16)))
    """  # noqa: E501 - a table's row is one line

    summary = "one minus the soft overlap of prediction and label"
    citation = "Milletari et al. 2016, arXiv:1606.04797"

    def __init__(
        self,
        *,
        activation: DiceActivation = "softmax",
        denominator: DiceDenominator = "plain",
        reduce_over: DiceRegion = "sample",
        include_background: bool = True,
        class_weights: Sequence[float] | None = None,
        smooth_numerator: float = 1e-5,
        smooth_denominator: float = 1e-5,
        ignore_index: int = -100,
        reduction: Reduction = "mean",
    ) -> None:
        super().__init__()
        check_choice("activation", activation, get_args(DiceActivation))
        check_choice("denominator", denominator, get_args(DiceDenominator))
        check_choice("reduce_over", reduce_over, get_args(DiceRegion))
        check_choice("reduction", reduction, get_args(Reduction))
        check_weight("smooth_numerator", smooth_numerator)
        check_weight("smooth_denominator", smooth_denominator)
        self.activation = activation
        self.denominator = denominator
        self.reduce_over = reduce_over
        self.include_background = include_background
        self.class_weights = check_class_weights(class_weights)
        self.smooth_numerator = smooth_numerator
        self.smooth_denominator = smooth_denominator
        self.ignore_index = ignore_index
        self.reduction = reduction

    def options(self) -> dict[str, Any]:
        return {
            "activation": self.activation,
            "denominator": self.denominator,
            "reduce_over": self.reduce_over,
            "include_background": self.include_background,
            "class_weights": list(self.class_weights) if self.class_weights else None,
            "smooth_numerator": self.smooth_numerator,
            "smooth_denominator": self.smooth_denominator,
            "ignore_index": self.ignore_index,
            "reduction": self.reduction,
        }

    def forward(self, logits: torch.Tensor, labels: torch.Tensor) -> torch.Tensor:
        if logits.ndim < 3:
            raise ValueError(f"logits have shape {tuple(logits.shape)}: expected (batch, classes, height, width).")
        probability = self._probability(full_precision(logits))
        target, counted = self._target(labels, probability)
        probability, target = probability * counted, target * counted
        if not self.include_background:
            probability, target = probability[:, 1:], target[:, 1:]
        axes = (*(() if self.reduce_over == "sample" else (0,)), *range(2, logits.ndim))
        overlap = (probability * target).sum(axes)
        if self.denominator == "squared":
            size = probability.square().sum(axes) + target.square().sum(axes)
        else:
            size = probability.sum(axes) + target.sum(axes)
        loss = 1 - (2 * overlap + self.smooth_numerator) / (size + self.smooth_denominator)
        weights = class_weights_for(self.class_weights, loss, loss.shape[-1])
        if weights is not None:
            loss = loss * weights
        if self.reduction == "none":
            return loss
        return loss.mean() if self.reduction == "mean" else loss.sum()

    def _probability(self, logits: torch.Tensor) -> torch.Tensor:
        if logits.shape[1] == 1 and (self.activation == "softmax" or not self.include_background):
            raise ValueError("logits have one class, which is all there is: use activation='sigmoid' with background.")
        if self.activation == "softmax":
            return logits.softmax(1)
        return logits.sigmoid() if self.activation == "sigmoid" else logits

    def _target(self, labels: torch.Tensor, like: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        """One map for each class, and which positions count, both to broadcast over `like`."""
        num_classes = like.shape[1]
        if labels.ndim == like.ndim:
            check_same_shape("logits", like, "labels", labels)
            target = labels.to(like.dtype)
            counted = target != self.ignore_index
            check_some_target_counts(counted, ignore_index=self.ignore_index)
            return target.where(counted, 0), counted
        if labels.shape != like.shape[:1] + like.shape[2:]:
            raise ValueError(
                f"labels have shape {tuple(labels.shape)} for logits {tuple(like.shape)}: expected class ids "
                f"{tuple(like.shape[:1] + like.shape[2:])} or one map for each class, the shape of the logits."
            )
        check_class_ids(labels, num_classes=max(num_classes, 2), ignore_index=self.ignore_index)
        counted = labels != self.ignore_index
        ids = labels.where(counted, 0)
        if num_classes == 1:  # one sigmoid map: the label itself, 0 or 1
            return ids[:, None].to(like.dtype), counted[:, None]
        return F.one_hot(ids, num_classes).movedim(-1, 1).to(like.dtype), counted[:, None]
