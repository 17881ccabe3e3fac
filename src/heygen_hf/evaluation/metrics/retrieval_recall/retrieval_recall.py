"""Retrieval R@K: of how many queries is the right candidate among the first K?"""

from collections.abc import Sequence
from typing import Any

import datasets
import evaluate
import torch

from heygen_hf.evaluation.retrieval import retrieval_accuracy


def retrieval_recall(
    similarity: torch.Tensor, is_right: torch.Tensor | None = None, *, ks: Sequence[int] = (1, 5, 10)
) -> dict[str, Any]:
    """R@K for several K, with Wilson's intervals and what chance would find.

    Args:
        similarity: `(queries, candidates)`, larger is nearer.
        is_right: bool of that shape; by default candidate i belongs to query i.
        ks: how many of the first candidates count.

    Returns:
        `{"recall_at_1": …, "interval_at_1": …, "chance_at_1": …, …, "median_rank", "count", "gallery_size"}`.

    Raises:
        ValueError: shapes that differ, no query, nan, or a query without a right candidate.
    """
    if is_right is None:
        if similarity.ndim != 2 or similarity.shape[0] > similarity.shape[1]:
            raise ValueError(
                f"similarity has shape {tuple(similarity.shape)}; without is_right there must be a candidate a query"
            )
        is_right = torch.eye(*similarity.shape, dtype=torch.bool)
    ranks = retrieval_accuracy(similarity, is_right)
    found: dict[str, Any] = {}
    for k in ks:
        found[f"recall_at_{k}"] = ranks.recall(k)
        found[f"interval_at_{k}"] = list(ranks.interval(k))
        found[f"chance_at_{k}"] = ranks.chance(k)
    return {**found, "median_rank": ranks.median_rank, "count": ranks.count, "gallery_size": ranks.gallery_size}


_INPUTS = """
Args:
    predictions (list[list[float]]): for each query, its similarity to each candidate.
    references (list[list[int]]): for each query, the places of its right candidates, from 0.
    ks (list[int]): 1, 5 and 10 by default.
"""


class RetrievalRecall(evaluate.Metric):
    """The same for `evaluate`."""

    def _info(self) -> evaluate.MetricInfo:
        features = {
            "predictions": datasets.Sequence(datasets.Value("float32")),
            "references": datasets.Sequence(datasets.Value("int64")),
        }
        return evaluate.MetricInfo(
            description=retrieval_recall.__doc__ or "",
            citation="",
            inputs_description=_INPUTS,
            features=datasets.Features(features),
        )

    def _compute(
        self, predictions: list[list[float]], references: list[list[int]], ks: Sequence[int] = (1, 5, 10)
    ) -> dict[str, Any]:
        similarity = torch.tensor(predictions)
        is_right = torch.zeros(similarity.shape, dtype=torch.bool)
        for query, places in enumerate(references):
            is_right[query, list(places)] = True
        return retrieval_recall(similarity, is_right, ks=ks)
