"""Mean and covariance of features that come in batches, from several processes, in any order."""

from collections.abc import Mapping

import numpy as np
import torch

_MIX = (0x9E3779B97F4A7C15, 0xBF58476D1CE4E5B9, 0x94D049BB133111EB)  # of splitmix64


class FeatureStatistics:
    """What is known of the features of many clips: count, mean, scatter, and a sample of the features themselves.

    Memory does not grow with the clips: float64 mean and scatter, and the features of at most `max_kept_clips` clips,
    which intervals and noise floors are made from. Which are kept depends on their indices alone, so any split over
    batches and processes keeps the same. As long as all are kept, mean and covariance are computed from them in the
    order of their indices, and then they are the same to the last bit too; beyond, to float64's rounding.

    Args:
        max_kept_clips: of which features are kept.
        seed: of which are kept.

    Example:
        >>> statistics = FeatureStatistics()
        >>> statistics.update(torch.randn(16, 128), torch.arange(16))
        >>> statistics.covariance.shape
        torch.Size([128, 128])
    """

    def __init__(self, *, max_kept_clips: int = 2048, seed: int = 0) -> None:
        self.max_kept_clips = max_kept_clips
        self.seed = seed
        self.num_clips = 0
        self.count = 0  # of vectors: as many as clips, or as their frames
        self._mean = torch.zeros(0, dtype=torch.float64)
        self._scatter = torch.zeros(0, 0, dtype=torch.float64)
        self._kept = torch.zeros(0, 0, 0)
        self._kept_indices = torch.zeros(0, dtype=torch.int64)

    @property
    def dimension(self) -> int:
        return self._mean.numel()

    def update(self, features: torch.Tensor, indices: torch.Tensor | None = None) -> None:
        """Take in the features of some clips.

        Args:
            features: `(clips, features)`, or `(clips, vectors, features)` where each clip gives several.
            indices: `(clips,)`, the place of each clip in the whole; by default they go on from those before.

        Raises:
            ValueError: features of another size than before, or a clip that was counted already.
        """
        if features.ndim == 2:
            features = features[:, None]
        if features.ndim != 3 or (self.count and features.shape[1:] != self._kept.shape[1:]):
            raise ValueError(
                f"features have shape {tuple(features.shape)}; expected (clips, {self._kept.shape[1] or 'vectors'}, "
                f"{self.dimension or 'features'})"
            )
        if not len(features):
            return
        features = features.detach().to("cpu", torch.float32)
        if indices is None:
            indices = torch.arange(self.num_clips, self.num_clips + len(features))
        vectors = features.flatten(0, 1).double()
        mean = vectors.mean(0)
        centred = vectors - mean
        self._absorb(len(features), len(vectors), mean, centred.T @ centred)
        self._keep(features, indices.to("cpu", torch.int64))

    def merge(self, other: "FeatureStatistics") -> None:
        """Take in what another process counted.

        Raises:
            ValueError: features of another size, or clips that both counted.
        """
        if not other.count:
            return
        if self.count and other._kept.shape[1:] != self._kept.shape[1:]:
            raise ValueError(
                f"statistics of features {tuple(other._kept.shape[1:])} cannot be merged with those of "
                f"{tuple(self._kept.shape[1:])}: they come from another network"
            )
        self._absorb(other.num_clips, other.count, other._mean, other._scatter)
        self._keep(other._kept, other._kept_indices)

    @property
    def is_complete(self) -> bool:
        """Whether the features of all clips are kept."""
        return len(self._kept) == self.num_clips

    @property
    def kept(self) -> torch.Tensor:
        """float32 `(kept clips, vectors, features)` in the order of their indices."""
        return self._kept[self._kept_indices.argsort()]

    @property
    def mean(self) -> torch.Tensor:
        """float64 `(features,)`."""
        return self._exact()[0] if self.is_complete else self._mean

    @property
    def covariance(self) -> torch.Tensor:
        """float64 `(features, features)`, over count - 1; zeros of one vector."""
        scatter = self._exact()[1] if self.is_complete else self._scatter
        return scatter / max(self.count - 1, 1)

    @property
    def second_moment(self) -> torch.Tensor:
        """float64 `(features, features)`: the mean of each vector times itself."""
        mean = self.mean
        return self.covariance * ((self.count - 1) / self.count) + torch.outer(mean, mean)

    def to_tensors(self) -> dict[str, torch.Tensor]:
        """All of it, for a file or another process."""
        return {
            "counts": torch.tensor([self.num_clips, self.count, self.max_kept_clips, self.seed]),
            "mean": self._mean,
            "scatter": self._scatter,
            "kept": self._kept.contiguous(),
            "kept_indices": self._kept_indices,
        }

    @classmethod
    def from_tensors(cls, tensors: Mapping[str, torch.Tensor]) -> "FeatureStatistics":
        """Read what `to_tensors` gave."""
        num_clips, count, max_kept, seed = (int(value) for value in tensors["counts"])
        statistics = cls(max_kept_clips=max_kept, seed=seed)
        statistics.num_clips, statistics.count = num_clips, count
        statistics._mean, statistics._scatter = tensors["mean"], tensors["scatter"]
        statistics._kept, statistics._kept_indices = tensors["kept"], tensors["kept_indices"]
        return statistics

    def _absorb(self, num_clips: int, count: int, mean: torch.Tensor, scatter: torch.Tensor) -> None:
        """Chan, Golub & LeVeque 1979: sums around the means, so that large means cost no digits."""
        if not self.count:
            self._mean, self._scatter = mean.clone(), scatter.clone()
        else:
            total = self.count + count
            difference = mean - self._mean
            self._mean = self._mean + difference * (count / total)
            self._scatter = self._scatter + scatter + torch.outer(difference, difference) * (self.count * count / total)
        self.num_clips += num_clips
        self.count += count

    def _keep(self, features: torch.Tensor, indices: torch.Tensor) -> None:
        kept = features if not len(self._kept) else torch.cat([self._kept, features])
        places = torch.cat([self._kept_indices, indices])
        twice = torch.isin(indices, self._kept_indices) if len(self._kept_indices) else torch.zeros(0, dtype=torch.bool)
        if bool(twice.any()) or len(indices.unique()) < len(indices):
            number = int(indices[twice][0]) if bool(twice.any()) else int(indices.mode().values)
            raise ValueError(f"clip {number} was counted twice; give each process other clips, and each its own index")
        if len(kept) > self.max_kept_clips:
            order = np.argsort(_keys(places.numpy(), self.seed), kind="stable")[: self.max_kept_clips]
            chosen = torch.from_numpy(np.sort(order))
            kept, places = kept[chosen], places[chosen]
        self._kept, self._kept_indices = kept.clone() if kept is features else kept, places

    def _exact(self) -> tuple[torch.Tensor, torch.Tensor]:
        vectors = self.kept.flatten(0, 1).double()
        mean = vectors.mean(0)
        centred = vectors - mean
        return mean, centred.T @ centred


def _keys(indices: np.ndarray, seed: int) -> np.ndarray:
    """Numbers that look random, a function of index and seed alone: the smallest are kept."""
    with np.errstate(over="ignore"):
        mixed = indices.astype(np.uint64) + np.uint64(1 + seed % 2**32) * np.uint64(_MIX[0])
        mixed = (mixed ^ (mixed >> np.uint64(30))) * np.uint64(_MIX[1])
        mixed = (mixed ^ (mixed >> np.uint64(27))) * np.uint64(_MIX[2])
        return mixed ^ (mixed >> np.uint64(31))
