"""The Fréchet distance between two Gaussians, in double precision, whatever the rank of their covariances."""

import numpy as np
import torch

from heygen_hf.evaluation.distributions.feature_statistics import FeatureStatistics


def frechet_distance(
    mean_a: torch.Tensor, covariance_a: torch.Tensor, mean_b: torch.Tensor, covariance_b: torch.Tensor
) -> float:
    """`|mean_a - mean_b|² + tr(A + B - 2 (A B)^½)`.

    The eigenvalues of A B are the squared singular values of F Gᵀ where A = Fᵀ F and B = Gᵀ G; so none is negative or
    complex, and fewer clips than features need no offset on the diagonal.

    Args:
        mean_a, mean_b: `(features,)`.
        covariance_a, covariance_b: `(features, features)`, symmetric.

    Returns:
        at least 0.

    Raises:
        ValueError: shapes that do not fit, or values that are not finite.

    Dowson & Landau 1982; Heusel et al. 2017, arXiv:1706.08500.

    Example:
        >>> zeros, nothing = torch.zeros(4), torch.zeros(4, 4)
        >>> frechet_distance(zeros, nothing, torch.ones(4), nothing)
        4.0
    """
    size = mean_a.numel()
    for name, tensor, shape in (
        ("mean_b", mean_b, (size,)),
        ("covariance_a", covariance_a, (size, size)),
        ("covariance_b", covariance_b, (size, size)),
    ):
        if tuple(tensor.shape) != shape:
            raise ValueError(f"{name} has shape {tuple(tensor.shape)}; expected {shape}, as mean_a has {size} features")
    tensors = [tensor.detach().cpu().double() for tensor in (mean_a, covariance_a, mean_b, covariance_b)]
    if not all(bool(torch.isfinite(tensor).all()) for tensor in tensors):
        raise ValueError("a mean or covariance is not finite: the features overflowed; check the network and the clips")
    mean_a, covariance_a, mean_b, covariance_b = tensors
    return _distance(
        mean_a,
        _root_of_covariance(covariance_a),
        float(covariance_a.trace()),
        mean_b,
        _root_of_covariance(covariance_b),
        float(covariance_b.trace()),
    )


def frechet_distance_of_statistics(a: FeatureStatistics, b: FeatureStatistics) -> float:
    """The distance between what two sets of clips left behind."""
    if a.is_complete and b.is_complete and max(a.count, b.count) < a.dimension:
        return frechet_distance_of_features(a.kept, b.kept)  # the same, and cheaper
    return frechet_distance(a.mean, a.covariance, b.mean, b.covariance)


def frechet_distance_of_features(
    a: torch.Tensor, b: torch.Tensor, *, counts_a: np.ndarray | None = None, counts_b: np.ndarray | None = None
) -> float:
    """The distance between two sets of features; covariances are over count - 1.

    Args:
        a, b: `(clips, features)` or `(clips, vectors, features)`, at least two vectors each.
        counts_a, counts_b: `(clips,)`, how often each clip counts; once by default.
    """
    mean_a, root_a = _root_of_features(a, counts_a)
    mean_b, root_b = _root_of_features(b, counts_b)
    return _distance(mean_a, root_a, float(root_a.square().sum()), mean_b, root_b, float(root_b.square().sum()))


def _distance(
    mean_a: torch.Tensor,
    root_a: torch.Tensor,
    trace_a: float,
    mean_b: torch.Tensor,
    root_b: torch.Tensor,
    trace_b: float,
) -> float:
    product = root_a @ root_b.T
    overlap = float(torch.linalg.svdvals(product).sum()) if product.numel() else 0.0
    return max(0.0, float((mean_a - mean_b).square().sum()) + trace_a + trace_b - 2 * overlap)


def _root_of_covariance(covariance: torch.Tensor) -> torch.Tensor:
    """F with covariance = Fᵀ F; as many rows as the rank."""
    values, vectors = torch.linalg.eigh((covariance + covariance.T) / 2)
    kept = values > values[-1].clamp(min=0) * len(values) * torch.finfo(values.dtype).eps
    return values[kept].sqrt()[:, None] * vectors[:, kept].T


def _root_of_features(features: torch.Tensor, counts: np.ndarray | None) -> tuple[torch.Tensor, torch.Tensor]:
    if features.ndim == 2:
        features = features[:, None]
    clips, per_clip, size = features.shape
    weights = torch.ones(clips, dtype=torch.float64) if counts is None else torch.as_tensor(counts).double()
    present = weights > 0
    vectors = features[present].flatten(0, 1).double()
    weights = weights[present].repeat_interleave(per_clip)
    total = float(weights.sum())
    if total < 2:
        raise ValueError(f"{int(total)} feature vector has no covariance; give at least 2")
    mean = (weights[:, None] * vectors).sum(0) / total
    root = (weights / (total - 1)).sqrt()[:, None] * (vectors - mean)
    return mean, root if len(root) <= size else _root_of_covariance(root.T @ root)
