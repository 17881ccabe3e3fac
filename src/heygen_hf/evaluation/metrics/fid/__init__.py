"""Fréchet distance of frames: how far features of generated frames lie from those of real ones, both as Gaussians."""

from heygen_hf.evaluation.metrics.fid.fid import FID, fid

__all__ = ["FID", "fid"]
