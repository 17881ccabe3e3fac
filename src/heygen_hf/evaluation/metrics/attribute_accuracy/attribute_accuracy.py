"""Attribute accuracy: of the attributes that a caption asks for, how many a judge finds in the video."""

from typing import Any

import datasets
import evaluate

from heygen_hf.evaluation.attribute_accuracy import attribute_accuracy

_DESCRIPTION = """
Attribute accuracy compares attributes read off generated videos by judges with those that their captions
asked for: accuracy, count and Wilson interval for each label column, for all columns at once and for each
group of videos.
"""

_INPUTS = """
Args:
    predictions (list[list[str]]): for each video, the judged value of each column.
    references (list[list[str]]): for each video, the value asked for in each column.
    columns (list[str]): the names of the columns, in the order of the values.
    groups (list[str], optional): the group of each video.
    confidence (float): of the intervals, 0.95 by default.

Returns:
    the dictionary of `heygen_hf.evaluation.attribute_accuracy.attribute_accuracy`.

Example:
    >>> metric = evaluate.load(metric_path("attribute_accuracy"))
    >>> figures = metric.compute(
    ...     predictions=[["red", "7"], ["red", "1"]], references=[["red", "7"], ["red", "7"]],
    ...     columns=["colour", "digit"],
    ... )
    >>> figures["columns"]["digit"]["accuracy"]
    0.5
"""


class AttributeAccuracy(evaluate.Metric):
    """The same measure for `evaluate`, whose modules take rows: one list of values a video."""

    def _info(self) -> evaluate.MetricInfo:
        row = datasets.Sequence(datasets.Value("string"))
        return evaluate.MetricInfo(
            description=_DESCRIPTION,
            citation="",
            inputs_description=_INPUTS,
            features=datasets.Features({"predictions": row, "references": row}),
        )

    def _compute(
        self,
        predictions: list[list[str]],
        references: list[list[str]],
        columns: list[str],
        groups: list[str] | None = None,
        confidence: float = 0.95,
    ) -> dict[str, Any]:
        for row in [*predictions, *references]:
            if len(row) != len(columns):
                raise ValueError(f"row {row} has {len(row)} values for the {len(columns)} columns {columns}.")
        return attribute_accuracy(
            {column: [row[place] for row in predictions] for place, column in enumerate(columns)},
            {column: [row[place] for row in references] for place, column in enumerate(columns)},
            groups,
            confidence=confidence,
        )
