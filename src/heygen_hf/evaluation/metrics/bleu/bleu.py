"""BLEU in [0, 1], by sacrebleu, offline, for `evaluate`."""

from typing import Any

import datasets
import evaluate

from heygen_hf.evaluation.text_metrics.bleu import bleu

_INPUTS = """
Args:
    predictions (list[str]): the generated texts.
    references (list[str] or list[list[str]]): one text, or several, for each of them.
    tokenize, max_ngram, lowercase: see the function.
"""


class Bleu(evaluate.Metric):
    """`heygen_hf.evaluation.text_metrics.bleu` for `evaluate`."""

    def _info(self) -> evaluate.MetricInfo:
        text = datasets.Value("string")
        return evaluate.MetricInfo(
            description=bleu.__doc__ or "",
            citation="",
            inputs_description=_INPUTS,
            features=[
                datasets.Features({"predictions": text, "references": datasets.Sequence(text)}),
                datasets.Features({"predictions": text, "references": text}),
            ],
        )

    def _compute(self, predictions: list[str], references: list[Any], **options: Any) -> dict[str, Any]:
        return {"bleu": bleu(predictions, references, **options)}
