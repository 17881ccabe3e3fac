"""ROUGE F-measures in [0, 1], by rouge_score, offline, for `evaluate`."""

from typing import Any

import datasets
import evaluate

from heygen_hf.evaluation.text_metrics.rouge import rouge

_INPUTS = """
Args:
    predictions (list[str]): the generated texts.
    references (list[str] or list[list[str]]): one text, or several, for each of them.
    kinds, stem: see the function.
"""


class Rouge(evaluate.Metric):
    """`heygen_hf.evaluation.text_metrics.rouge` for `evaluate`."""

    def _info(self) -> evaluate.MetricInfo:
        text = datasets.Value("string")
        return evaluate.MetricInfo(
            description=rouge.__doc__ or "",
            citation="",
            inputs_description=_INPUTS,
            features=[
                datasets.Features({"predictions": text, "references": datasets.Sequence(text)}),
                datasets.Features({"predictions": text, "references": text}),
            ],
        )

    def _compute(self, predictions: list[str], references: list[Any], **options: Any) -> dict[str, Any]:
        return dict(rouge(predictions, references, **options))
