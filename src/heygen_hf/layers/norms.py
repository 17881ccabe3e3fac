"""Root-mean-square normalisation (Zhang & Sennrich 2019, arXiv:1910.07467)."""

import torch
import torch.nn.functional as F
from torch import nn


def rms_norm(hidden: torch.Tensor, weight: torch.Tensor | None = None, *, eps: float = 1e-6) -> torch.Tensor:
    """Normalise the last dimension to unit root mean square.

    Args:
        hidden: `(..., size)`, any float dtype; the result has the same dtype.
        weight: `(size,)` or None for the parameter-free form that adaptive norms use.
        eps: added to the mean square.
    """
    # A float32 weight beside a bfloat16 input (autocast) would leave the fused kernel and promote the residual
    # stream to float32, so the weight follows the input.
    if weight is not None:
        weight = weight.to(hidden.dtype)
    return F.rms_norm(hidden, (hidden.shape[-1],), weight, eps)


class RMSNorm(nn.Module):
    """`rms_norm` with a learned weight of ones at the start. `(..., size)` in and out."""

    def __init__(self, size: int, *, eps: float = 1e-6) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.ones(size))
        self.eps = eps

    def forward(self, hidden: torch.Tensor) -> torch.Tensor:
        return rms_norm(hidden, self.weight, eps=self.eps)

    def extra_repr(self) -> str:
        return f"{tuple(self.weight.shape)}, eps={self.eps}"
