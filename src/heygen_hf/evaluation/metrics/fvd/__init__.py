"""Fréchet video distance: how far the features of generated clips lie from those of real ones, both as Gaussians."""

from heygen_hf.evaluation.metrics.fvd.fvd import FVD, fvd

__all__ = ["FVD", "fvd"]
