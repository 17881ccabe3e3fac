"""What features of frames say about a clip: does it stay itself, is it the same face?"""

import torch
from torch.nn import functional as F


def subject_consistency_of_features(features: torch.Tensor) -> torch.Tensor:
    """For each frame after the first, the mean of its cosine to the frame before and to the first, neither below 0;
    then the mean over frames.

    VBench's definition, with DINO's features; with another network's the figures are others.

    Args:
        features: `(batch, frames, features)`, 2 frames or more.

    Returns:
        float64 `(batch,)` in [0, 1].

    Huang et al. 2024, arXiv:2311.17982.
    """
    unit = _unit(features, "subject_consistency")
    to_previous = (unit[:, 1:] * unit[:, :-1]).sum(-1).clamp(min=0)
    to_first = (unit[:, 1:] * unit[:, :1]).sum(-1).clamp(min=0)
    return ((to_previous + to_first) / 2).mean(1)


def consecutive_similarity(features: torch.Tensor) -> torch.Tensor:
    """The mean cosine between the features of neighbouring frames, `(batch,)` in [-1, 1] (with CLIP's features, "frame
    consistency" in the literature)."""
    unit = _unit(features, "temporal_consistency")
    return (unit[:, 1:] * unit[:, :-1]).sum(-1).mean(1)


def identity_similarity_of_embeddings(embeddings: torch.Tensor, references: torch.Tensor) -> torch.Tensor:
    """The mean cosine between each frame's embedding and the mean direction of the reference's.

    Args:
        embeddings: `(batch, frames, features)` of a network of faces or speakers.
        references: `(batch, pictures, features)`, of the one that each should be.

    Returns:
        float64 `(batch,)` in [-1, 1].

    Raises:
        ValueError: shapes that do not fit.
    """
    if (
        embeddings.ndim != 3
        or references.ndim != 3
        or embeddings.shape[0] != references.shape[0]
        or embeddings.shape[2] != references.shape[2]
    ):
        raise ValueError(
            f"identity_similarity: embeddings have shape {tuple(embeddings.shape)} and references "
            f"{tuple(references.shape)}; expected (batch, frames, features) of both, frames aside the same"
        )
    wanted = F.normalize(F.normalize(references.double(), dim=-1).mean(1, keepdim=True), dim=-1)
    return (F.normalize(embeddings.double(), dim=-1) * wanted).sum(-1).mean(1)


def _unit(features: torch.Tensor, name: str) -> torch.Tensor:
    if features.ndim != 3 or features.shape[1] < 2:
        raise ValueError(
            f"{name}: features have shape {tuple(features.shape)}; expected (batch, frames, features) with at least 2 "
            "frames, of a network of images"
        )
    return F.normalize(features.double(), dim=-1)
