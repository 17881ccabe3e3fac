"""One text or several that a generated text may be like."""

from collections.abc import Sequence


def several_references(
    predictions: Sequence[str], references: Sequence[str] | Sequence[Sequence[str]]
) -> list[list[str]]:
    """For each prediction, the list of its references.

    Raises:
        ValueError: not as many as predictions, none at all, or a prediction without one.
    """
    if len(predictions) != len(references):
        raise ValueError(f"{len(predictions)} predictions for {len(references)} references; expected one for each text")
    if not predictions:
        raise ValueError("there is nothing to compare: predictions and references are empty; check the data")
    lists = [[reference] if isinstance(reference, str) else list(reference) for reference in references]
    for number, each in enumerate(lists):
        if not each:
            raise ValueError(f"prediction {number} has no reference; give each at least one text")
    return lists
