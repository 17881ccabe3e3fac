"""The Inception Score: are the classes of generated clips sure, and are they many?"""

import math
from collections.abc import Mapping

import numpy as np
import torch

from heygen_hf.evaluation.distributions.feature_statistics import FeatureStatistics


class ScoreStatistics:
    """Sums over the class probabilities of many clips; memory does not grow with them but for the kept sample.

    The score is `exp(mean over clips of KL(p(class | clip) || p(class)))`, from 1 to the number of classes.
    Salimans et al. 2016, arXiv:1606.03498.
    """

    def __init__(self, *, max_kept_clips: int = 2048, seed: int = 0) -> None:
        self.kept_logits = FeatureStatistics(max_kept_clips=max_kept_clips, seed=seed)
        self._sums = torch.zeros(0, dtype=torch.float64)  # of probabilities, and last of negative entropies

    @property
    def num_clips(self) -> int:
        return self.kept_logits.num_clips

    def update(self, logits: torch.Tensor, indices: torch.Tensor | None = None) -> None:
        """Take in `(clips, classes)`, or `(clips, frames, classes)` of a classifier of images."""
        self.kept_logits.update(logits, indices)
        sums = _summed(logits.flatten(0, -2)).sum(0)
        self._sums = sums if not self._sums.numel() else self._sums + sums

    def merge(self, other: "ScoreStatistics") -> None:
        self.kept_logits.merge(other.kept_logits)
        if other._sums.numel():
            self._sums = other._sums.clone() if not self._sums.numel() else self._sums + other._sums

    def score(self) -> float:
        if self.kept_logits.is_complete:  # the same whatever the batches were
            return inception_score_of_logits(self.kept_logits.kept.flatten(0, 1))
        return _score(self._sums.numpy()[None], self.kept_logits.count)[0]

    def resampled(self, counts: np.ndarray) -> np.ndarray:
        """The score of each resample of the kept clips; counts are `(resamples, clips)`."""
        kept = self.kept_logits.kept
        per_clip = _summed(kept.flatten(0, 1)).unflatten(0, kept.shape[:2]).sum(1).numpy()
        return _score(counts @ per_clip, int(counts[0].sum()) * kept.shape[1])

    def to_tensors(self) -> dict[str, torch.Tensor]:
        return {**self.kept_logits.to_tensors(), "sums": self._sums}

    @classmethod
    def from_tensors(cls, tensors: Mapping[str, torch.Tensor]) -> "ScoreStatistics":
        statistics = cls()
        statistics.kept_logits = FeatureStatistics.from_tensors(tensors)
        statistics._sums = tensors["sums"]
        return statistics


def inception_score_of_logits(logits: torch.Tensor) -> float:
    """The score of `(clips, classes)` logits before the softmax, in one split.

    Example:
        >>> round(inception_score_of_logits(100 * torch.eye(5)), 3)  # sure of another class each time
        5.0
    """
    if logits.ndim != 2 or not logits.numel():
        raise ValueError(f"logits have shape {tuple(logits.shape)}; expected (clips, classes)")
    return float(_score(_summed(logits).sum(0).numpy()[None], len(logits))[0])


def _summed(logits: torch.Tensor) -> torch.Tensor:
    """float64 `(clips, classes + 1)`: probabilities, and the sum over classes of p log p."""
    log_probabilities = logits.detach().cpu().double().log_softmax(-1)
    probabilities = log_probabilities.exp()
    return torch.cat([probabilities, (probabilities * log_probabilities).sum(-1, keepdim=True)], dim=-1)


def _score(sums: np.ndarray, count: int) -> np.ndarray:
    means = sums / count
    marginal = means[:, :-1]
    logs = np.log(np.where(marginal > 0, marginal, 1.0))
    return np.minimum(np.exp(np.maximum(means[:, -1] - (marginal * logs).sum(1), 0.0)), math.inf)
