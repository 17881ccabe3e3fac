"""Peak signal-to-noise ratio of clips to their references in dB: the mean over frames, for pixels in [0, 1]."""

from heygen_hf.evaluation.metrics.psnr.psnr import PSNR, psnr

__all__ = ["PSNR", "psnr"]
