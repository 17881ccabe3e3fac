"""What losses refuse, in one line each: what was given, what was expected, what to do.

Checks that read a tensor's values are skipped while a graph is compiled, where they would break it.
"""

import math
from collections.abc import Sequence
from typing import Any

import torch


def check_choice(name: str, value: Any, choices: Sequence[str]) -> None:
    if value not in choices:
        raise ValueError(f"{name}={value!r} is unknown: use one of {', '.join(choices)}.")


def check_weight(name: str, value: float) -> None:
    if not (math.isfinite(value) and value >= 0):
        raise ValueError(f"{name}={value} must be a finite number of at least 0; 0 switches it off.")


def check_fraction(name: str, value: float) -> None:
    if not 0 <= value < 1:
        raise ValueError(f"{name}={value} must be in [0, 1).")


def check_class_weights(weights: Sequence[float] | None) -> tuple[float, ...] | None:
    """Class weights as plain numbers, which a checkpoint that loads through the meta device cannot lose."""
    if weights is None:
        return None
    values = tuple(float(weight) for weight in weights)
    if not values or any(not math.isfinite(value) or value < 0 for value in values) or not sum(values) > 0:
        raise ValueError(f"class_weights={values} must be finite, at least 0 and not all 0, one for each class.")
    return values


def class_weights_for(weights: tuple[float, ...] | None, logits: torch.Tensor, num_classes: int) -> torch.Tensor | None:
    """`(classes,)` on the logits' device.

    Raises:
        ValueError: there is not one weight for each class.
    """
    if weights is None:
        return None
    if len(weights) != num_classes:
        raise ValueError(f"class_weights has {len(weights)} values for {num_classes} classes: give one for each.")
    return logits.new_tensor(weights)


def check_same_shape(first: str, a: torch.Tensor, second: str, b: torch.Tensor) -> None:
    if a.shape != b.shape:
        raise ValueError(f"{first} has shape {tuple(a.shape)} and {second} {tuple(b.shape)}: they must agree.")


def check_class_ids(
    labels: torch.Tensor, *, num_classes: int, ignore_index: int | None, allow_none: bool = False
) -> None:
    """Class ids are whole numbers in `[0, num_classes)` or `ignore_index`; one of them counts, or `allow_none`."""
    if labels.is_floating_point() or labels.is_complex() or labels.dtype == torch.bool:
        raise ValueError(f"labels are {labels.dtype}; expected class ids as integers (torch.long).")
    if torch.compiler.is_compiling():
        return
    if labels.numel() == 0:
        raise ValueError(f"labels of shape {tuple(labels.shape)} are empty: give at least one.")
    counted = torch.ones_like(labels, dtype=torch.bool) if ignore_index is None else labels != ignore_index
    wrong = counted & ((labels < 0) | (labels >= num_classes))
    any_wrong, any_counted = torch.stack((wrong.any(), counted.any())).tolist()  # one wait for the device, not two
    if any_wrong:
        skipped = "" if ignore_index is None else f" (and is not ignore_index={ignore_index})"
        raise ValueError(
            f"label {int(labels[wrong][0])} is outside [0, {num_classes}){skipped}: "
            "the model's classes or vocabulary and the labels do not match."
        )
    if not any_counted and not allow_none:
        check_some_target_counts(counted, ignore_index=ignore_index)


def check_some_target_counts(counted: torch.Tensor, *, ignore_index: float | None) -> None:
    if torch.compiler.is_compiling() or bool(counted.any()):
        return
    raise ValueError(
        f"all {counted.numel()} targets are ignored (ignore_index={ignore_index}): nothing to learn from. "
        "Check the labels, or a truncation that cut them off."
    )
