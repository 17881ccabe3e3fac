"""Structural similarity of clips to their references, the mean over frames and channels, for pixels in [0, 1]."""

from heygen_hf.evaluation.metrics.ssim.ssim import SSIM, ssim

__all__ = ["SSIM", "ssim"]
