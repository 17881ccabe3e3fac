"""Perplexity from the loss of each token, offline, for `evaluate`."""

from typing import Any

import datasets
import evaluate
import numpy as np

from heygen_hf.evaluation.text_metrics.perplexity import perplexity_of_tokens

_INPUTS = """
Args:
    predictions (list[list[float]]): of each text, the loss of each token in nats (`token_losses` gives them); nan or
        -100 where a token does not count.
"""


class Perplexity(evaluate.Metric):
    """`heygen_hf.evaluation.text_metrics.perplexity_of_tokens` for `evaluate`."""

    def _info(self) -> evaluate.MetricInfo:
        return evaluate.MetricInfo(
            description=perplexity_of_tokens.__doc__ or "",
            citation="",
            inputs_description=_INPUTS,
            features=datasets.Features({"predictions": datasets.Sequence(datasets.Value("float32"))}),
        )

    def _compute(self, predictions: list[list[float]]) -> dict[str, Any]:
        return perplexity_of_tokens(np.concatenate([np.asarray(each, dtype=np.float64) for each in predictions]))
