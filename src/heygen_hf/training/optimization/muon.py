"""Muon (Jordan et al. 2024, https://kellerjordan.github.io/posts/muon), all matrices of one shape at a time.

The same update as `torch.optim.Muon`, which takes the matrices one by one: a transformer has dozens of small ones, and
a batched product keeps every core (or the GPU) busy where single ones do not.
"""

import math
from collections import defaultdict
from collections.abc import Callable, Iterable

import torch
from torch import nn

from heygen_hf.training.parallel.sharding import local, parts_of_stack, whole_stack

# Keller Jordan's quintic: it takes singular values between about 0.01 and 1 to between 0.7 and 1.2 in five steps.
NEWTON_SCHULZ_COEFFICIENTS = (3.4445, -4.7750, 2.0315)


class Muon(torch.optim.Optimizer):
    """Momentum, orthogonalised by Newton-Schulz iterations in bfloat16, for 2-D weights.

    Args:
        params: matrices.
        lr: learning rate; the update's root mean square is 0.2, about AdamW's (Liu et al. 2025, arXiv:2502.16982).
        momentum: of the Nesterov average of gradients.
        weight_decay: decoupled.
        num_iterations: of Newton-Schulz.

    Raises:
        ValueError: a parameter is no matrix.
    """

    def __init__(
        self,
        params: Iterable[nn.Parameter],
        *,
        lr: float = 2e-3,
        momentum: float = 0.95,
        weight_decay: float = 0.0,
        num_iterations: int = 5,
    ) -> None:
        defaults = {"lr": lr, "momentum": momentum, "weight_decay": weight_decay, "num_iterations": num_iterations}
        super().__init__(params, defaults)
        for group in self.param_groups:
            for weight in group["params"]:
                if weight.ndim != 2:
                    raise ValueError(f"Muon takes matrices, got a parameter of shape {tuple(weight.shape)}.")

    @torch.no_grad()
    def step(self, closure: Callable[[], float] | None = None) -> float | None:
        loss = None
        if closure is not None:
            with torch.enable_grad():
                loss = closure()
        for group in self.param_groups:
            by_shape: dict[tuple[object, ...], list[nn.Parameter]] = defaultdict(list)
            for weight in group["params"]:
                if weight.grad is not None:
                    by_shape[(*weight.shape, weight.device, weight.dtype)].append(weight)
            for weights in by_shape.values():
                self._step_same_shape(weights, group)
        return loss

    def _step_same_shape(self, weights: list[nn.Parameter], group: dict) -> None:
        for weight in weights:
            if "momentum_buffer" not in self.state[weight]:
                self.state[weight]["momentum_buffer"] = torch.zeros_like(weight)
        like = weights[0]  # a kernel `(out, in, …)` is the matrix `(out, in * …)`
        parts = [local(weight) for weight in weights]
        gradients = [local(weight.grad) for weight in weights]
        buffers = [local(self.state[weight]["momentum_buffer"]) for weight in weights]
        torch._foreach_lerp_(buffers, gradients, 1 - group["momentum"])
        looked_ahead = torch._foreach_lerp(gradients, buffers, group["momentum"])
        # What is sharded is gathered first: a part's orthogonal matrix is no part of the whole's.
        matrices = whole_stack(torch.stack(looked_ahead), like).flatten(2)
        updates = orthogonalize(matrices, num_iterations=group["num_iterations"]).to(like.dtype)
        updates = parts_of_stack(updates.view(-1, *like.shape), like)
        torch._foreach_mul_(parts, 1 - group["lr"] * group["weight_decay"])
        scale = group["lr"] * 0.2 * math.sqrt(max(matrices.shape[1:]))
        torch._foreach_add_(parts, list(updates.unbind()), alpha=-scale)


def orthogonalize(matrices: torch.Tensor, *, num_iterations: int = 5) -> torch.Tensor:
    """The nearest (semi-)orthogonal matrices, roughly: `U V^T` of each singular value decomposition.

    Args:
        matrices: `(count, rows, columns)`.

    Returns:
        `(count, rows, columns)` in bfloat16, singular values between about 0.7 and 1.2.
    """
    a, b, c = NEWTON_SCHULZ_COEFFICIENTS
    tall = matrices.shape[-2] > matrices.shape[-1]
    result = matrices.to(torch.bfloat16)
    result = result.mT if tall else result
    result = result / result.norm(dim=(-2, -1), keepdim=True).clamp(min=1e-7)
    for _ in range(num_iterations):
        gram = result @ result.mT
        polynomial = torch.baddbmm(gram, gram, gram, beta=b, alpha=c)
        result = torch.baddbmm(result, polynomial, result, beta=a)
    return result.mT if tall else result
