"""The nearest of any number of clips, in memory that does not grow with them."""

from collections.abc import Iterable

import torch


class NearestClips:
    """The k nearest clips of each query, among all that were shown batch by batch.

    Args:
        queries: `(queries, features)`, or `(queries, views, features)` where a query may be seen in several ways (as it
            is, mirrored …): the nearest of these counts.
        top_k: how many are kept for each query.

    Attributes:
        distances: float64 `(queries, k)`, Euclidean, the nearest first; infinite where fewer were shown.
        indices: int64 `(queries, k)`, of the clips; -1 where fewer were shown.
        views: int64 `(queries, k)`, which view of the query was that near.
    """

    def __init__(self, queries: torch.Tensor, *, top_k: int = 5) -> None:
        if queries.ndim not in (2, 3) or not queries.numel():
            raise ValueError(
                f"queries have shape {tuple(queries.shape)}; expected (queries, features) or (queries, views, features)"
            )
        if top_k < 1:
            raise ValueError(f"top_k={top_k} must be at least 1")
        self._queries = (queries[:, None] if queries.ndim == 2 else queries).double()
        self.num_seen = 0
        count = len(queries)
        self.distances = torch.full((count, top_k), torch.inf, dtype=torch.float64)
        self.indices = torch.full((count, top_k), -1, dtype=torch.int64)
        self.views = torch.zeros((count, top_k), dtype=torch.int64)

    def update(self, features: torch.Tensor, indices: torch.Tensor) -> None:
        """Show clips.

        Args:
            features: `(clips, features)`.
            indices: `(clips,)`.

        Raises:
            ValueError: features of another size.
        """
        if features.ndim != 2 or features.shape[1] != self._queries.shape[2]:
            raise ValueError(
                f"clips have features of shape {tuple(features.shape)} and queries {self._queries.shape[2]}: bring all "
                "to one length and size"
            )
        self.num_seen += len(features)
        found, views = _distances(self._queries, features.double()).min(dim=1)  # over views: (queries, clips)
        numbers = indices.long().expand(len(found), -1)
        top_k = self.distances.shape[1]
        together = torch.cat((self.distances, found), dim=1)
        # stable: of equally near clips the first one shown
        self.distances, order = (each[:, :top_k] for each in together.sort(dim=1, stable=True))
        self.indices = torch.cat((self.indices, numbers), dim=1).gather(1, order)
        self.views = torch.cat((self.views, views), dim=1).gather(1, order)


def find_nearest_clips(
    queries: torch.Tensor, batches: Iterable[tuple[torch.Tensor, torch.Tensor]], *, top_k: int = 5
) -> NearestClips:
    """`NearestClips` of everything in `batches` of `(features, indices)`.

    Raises:
        ValueError: nothing in them, or features of another size.
    """
    nearest = NearestClips(queries, top_k=top_k)
    for features, indices in batches:
        nearest.update(features, indices)
    if not nearest.num_seen:
        raise ValueError("there are no clips to look among; give a folder that holds some")
    return nearest


def _distances(queries: torch.Tensor, clips: torch.Tensor) -> torch.Tensor:
    """`(queries, views, features)` and `(clips, features)` to float64 `(queries, views, clips)`.

    By products of matrices, which is many times faster than differences and loses the last digits of small distances:
    where it says that two are all but the same, the difference is taken.
    """
    flat = queries.flatten(0, 1)
    own, theirs = flat.square().sum(1), clips.square().sum(1)
    squared = own[:, None] + theirs[None] - 2 * flat @ clips.T
    same = squared < 1e-6 * torch.maximum(own[:, None], theirs[None])
    for query, clip in same.nonzero().tolist():
        squared[query, clip] = (flat[query] - clips[clip]).square().sum()
    return squared.clamp_min(0).sqrt().unflatten(0, queries.shape[:2])
