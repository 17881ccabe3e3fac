"""What a wrong tokenizer or wrong labels look like, said before they become an index error, a NaN or nothing at all.

Each check looks at values, so it is skipped while a graph is traced: tracing has no values.
"""

import torch
from transformers.utils.import_utils import is_tracing

IGNORED = -100  # the label that the losses of torch and transformers leave out


def check_token_ids(input_ids: torch.Tensor, *, vocab_size: int) -> None:
    """Every id lies in `[0, vocab_size)`.

    Raises:
        ValueError: an id outside, which means that tokenizer and model do not belong together.
    """
    if is_tracing(input_ids) or not input_ids.numel():
        return
    lowest, highest = _bounds(input_ids)
    if lowest < 0 or highest >= vocab_size:
        raise ValueError(
            f"token id {lowest if lowest < 0 else highest} is outside [0, vocab_size={vocab_size}): the tokenizer "
            "does not fit the model; set vocab_size=len(tokenizer) or call "
            "model.resize_token_embeddings(len(tokenizer))."
        )


def check_labels(labels: torch.Tensor, *, num_classes: int, classes: str, num_items: object = None) -> None:
    """Every label lies in `[0, num_classes)` or is -100, and not all of them are -100.

    Args:
        labels: of any shape, integers; for a language model those that have a token before them.
        classes: the name of the option that says how many there are.
        num_items: the targets of the whole step, when the loss is divided by those: a batch of an accumulated step
            may then have none of its own.

    Raises:
        ValueError: a label outside; no target at all, whose mean loss would be NaN.
    """
    if is_tracing(labels):
        return
    targets = labels[labels != IGNORED]
    if not targets.numel():
        if num_items is None or not int(num_items):
            raise ValueError(
                f"all {labels.numel()} targets of the batch are {IGNORED}, which the loss leaves out, so there is "
                "nothing to learn: check the labels' padding, masking and cut-off length."
            )
        return
    lowest, highest = _bounds(targets)
    if lowest < 0 or highest >= num_classes:
        raise ValueError(
            f"label {lowest if lowest < 0 else highest} is outside [0, {classes}={num_classes}): set {classes} to "
            f"cover every label, or use {IGNORED} for a target the loss leaves out."
        )


def check_shape(labels: torch.Tensor, expected: tuple[int, ...], *, meaning: str) -> None:
    """`labels` has the expected shape.

    Raises:
        ValueError: another shape, which a loss might broadcast in silence.
    """
    if tuple(labels.shape) != tuple(expected):
        raise ValueError(f"labels have shape {tuple(labels.shape)}; expected {tuple(expected)}, {meaning}.")


def _bounds(values: torch.Tensor) -> tuple[int, int]:
    # Stacked, so that a device waits once for both.
    lowest, highest = torch.stack(values.aminmax()).tolist()
    return int(lowest), int(highest)


__all__ = ["IGNORED", "check_labels", "check_shape", "check_token_ids"]
