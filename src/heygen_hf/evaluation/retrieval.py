"""Retrieval: does each query find what belongs to it in a gallery?"""

import math
import statistics
from collections.abc import Sequence
from dataclasses import dataclass

import torch

from heygen_hf.evaluation.intervals import wilson_interval


@dataclass(frozen=True)
class RetrievalAccuracy:
    """How queries did against one gallery.

    Attributes:
        ranks: of each query, the place (from 1) of the first right candidate.
        gallery_size: candidates that each query chose from.
        num_right: of each query, how many of them are right.
    """

    ranks: tuple[int, ...]
    gallery_size: int
    num_right: tuple[int, ...]

    @property
    def count(self) -> int:
        return len(self.ranks)

    def num_found(self, k: int) -> int:
        """Queries with a right candidate among their first `k`."""
        return sum(rank <= k for rank in self.ranks)

    def recall(self, k: int) -> float:
        """R@k, in [0, 1]."""
        return self.num_found(k) / self.count

    def interval(self, k: int) -> tuple[float, float]:
        """Wilson's 95 % interval of R@k."""
        return wilson_interval(self.num_found(k), self.count)

    @property
    def median_rank(self) -> float:
        return float(statistics.median(self.ranks))

    def chance(self, k: int) -> float:
        """R@k of an order that knows nothing."""
        k = min(k, self.gallery_size)
        all_orders = math.comb(self.gallery_size, k)
        missed = (math.comb(self.gallery_size - right, k) / all_orders for right in self.num_right)
        return 1 - sum(missed) / self.count


def retrieval_accuracy(similarity: torch.Tensor, is_right: torch.Tensor) -> RetrievalAccuracy:
    """Rank a gallery for each query.

    A query may have several right candidates, such as clips with one caption: the first of them counts. A wrong
    candidate that is exactly as similar stands before a right one, so a model that gives all the same score finds
    nothing.

    Args:
        similarity: `(queries, candidates)`, larger is nearer.
        is_right: bool of that shape.

    Raises:
        ValueError: shapes that differ, no query, nan, or a query without a right candidate.

    Example:
        >>> scores = torch.tensor([[0.9, 0.1], [0.8, 0.2]])
        >>> retrieval_accuracy(scores, torch.eye(2, dtype=torch.bool)).recall(1)
        0.5
    """
    if similarity.ndim != 2 or similarity.shape != is_right.shape or not similarity.numel():
        raise ValueError(
            f"similarity has shape {tuple(similarity.shape)} and is_right {tuple(is_right.shape)}; expected "
            "(queries, candidates) of both, neither empty"
        )
    if bool(similarity.isnan().any()):
        raise ValueError("similarity holds nan: the embeddings are no numbers; check the model's loss")
    is_right = is_right.bool()
    without = (~is_right.any(dim=1)).nonzero().flatten().tolist()
    if without:
        raise ValueError(f"query {without[0]} has no right candidate: put one into the gallery, or leave the query out")
    best = similarity.masked_fill(~is_right, -torch.inf).amax(dim=1, keepdim=True)
    before = ((similarity >= best) & ~is_right).sum(dim=1)
    return RetrievalAccuracy(tuple((before + 1).tolist()), similarity.shape[1], tuple(is_right.sum(dim=1).tolist()))


def equal_texts(queries: Sequence[str], candidates: Sequence[str]) -> torch.Tensor:
    """bool `(queries, candidates)`: which have the same text, but for capitals and spaces."""
    number_of: dict[str, int] = {}
    first, second = (
        torch.tensor([number_of.setdefault(" ".join(text.casefold().split()), len(number_of)) for text in texts])
        for texts in (queries, candidates)
    )
    return first[:, None] == second


__all__ = ["RetrievalAccuracy", "equal_texts", "retrieval_accuracy"]
