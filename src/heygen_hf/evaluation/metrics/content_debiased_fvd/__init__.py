"""Content-debiased Fréchet video distance: by a VideoMAE's features, which see motion as much as content."""

from heygen_hf.evaluation.metrics.content_debiased_fvd.content_debiased_fvd import (
    ContentDebiasedFVD,
    content_debiased_fvd,
)

__all__ = ["ContentDebiasedFVD", "content_debiased_fvd"]
