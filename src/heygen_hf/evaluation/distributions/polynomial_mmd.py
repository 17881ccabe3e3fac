"""Maximum mean discrepancy with the kernel (x·y / D)², from second moments alone."""

import numpy as np
import torch

from heygen_hf.evaluation.distributions.feature_statistics import FeatureStatistics


def polynomial_mmd(a: torch.Tensor, b: torch.Tensor, *, gamma: float | None = None, offset: float = 0.0) -> float:
    """The squared discrepancy under `(gamma x·y + offset)²`, means over all pairs, those of a vector with itself too.

    Args:
        a, b: `(clips, features)`.
        gamma: 1 / features by default.

    Returns:
        at least 0. JEDi is 100 times this on V-JEPA features (Luo et al. 2024, arXiv:2410.05203).

    Raises:
        ValueError: shapes that do not fit.
    """
    if a.ndim != 2 or b.ndim != 2 or a.shape[1] != b.shape[1] or not len(a) or not len(b):
        raise ValueError(
            f"features have shapes {tuple(a.shape)} and {tuple(b.shape)}; expected (clips, features) of both, with as "
            "many features"
        )
    first, second = a.double(), b.double()
    return _from_moments(
        first.mean(0), first.T @ first / len(a), second.mean(0), second.T @ second / len(b), gamma, offset
    )


def polynomial_mmd_of_statistics(
    a: FeatureStatistics, b: FeatureStatistics, *, gamma: float | None = None, offset: float = 0.0
) -> float:
    """The same from what was accumulated: of degree 2 the kernel's means are those of first and second moments."""
    return _from_moments(a.mean, a.second_moment, b.mean, b.second_moment, gamma, offset)


def resampled_polynomial_mmd(
    a: torch.Tensor, b: torch.Tensor, counts_a: np.ndarray, counts_b: np.ndarray, *, gamma: float | None = None
) -> np.ndarray:
    """`polynomial_mmd` of each resample, `(resamples,)`; the kernels are computed once.

    Args:
        counts_a, counts_b: `(resamples, clips)`, how often each clip is drawn.
    """
    gamma = 1 / a.shape[1] if gamma is None else gamma
    first, second = a.double().numpy(), b.double().numpy()
    weights_a, weights_b = counts_a / counts_a.sum(1, keepdims=True), counts_b / counts_b.sum(1, keepdims=True)

    pairs = ((first, first), (second, second), (first, second))
    kernel_aa, kernel_bb, kernel_ab = ((gamma * (x @ y.T)) ** 2 for x, y in pairs)
    within_a = np.einsum("ra,ra->r", weights_a @ kernel_aa, weights_a)
    within_b = np.einsum("rb,rb->r", weights_b @ kernel_bb, weights_b)
    between = np.einsum("rb,rb->r", weights_a @ kernel_ab, weights_b)
    return within_a + within_b - 2 * between


def _from_moments(
    mean_a: torch.Tensor,
    moment_a: torch.Tensor,
    mean_b: torch.Tensor,
    moment_b: torch.Tensor,
    gamma: float | None,
    offset: float,
) -> float:
    # the mean of (g x·y + c)² over x of one set and y of another is g² <Mx, My> + 2 g c mx·my + c²
    gamma = 1 / mean_a.numel() if gamma is None else gamma
    squared = gamma**2 * float((moment_a - moment_b).square().sum())
    return squared + 2 * gamma * offset * float((mean_a - mean_b).square().sum())
