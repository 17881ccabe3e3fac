"""How fast a device multiplies matrices: the peak that a model's FLOP/s are measured against."""

import time
from functools import cache

import torch


@cache
def matmul_peak_flops(device: torch.device, dtype: torch.dtype, *, seconds: float = 0.2) -> float:
    """FLOP/s of the best of several square products, measured here once for each device and precision.

    A measured peak and not the data sheet's: of what this machine gives (its clock, its cores, its neighbours), how
    much does training use? Takes about `seconds`, and neither reads nor moves the global random state.
    """
    size = _size(device)
    generator = torch.Generator(device).manual_seed(0)
    left, right = (torch.randn(size, size, device=device, generator=generator).to(dtype) for _ in range(2))
    product = torch.empty_like(left)
    # A GPU is asked for several products at a time: one alone would be timed with its launch.
    at_a_time = 10 if device.type == "cuda" else 1
    best, deadline = float("inf"), time.perf_counter() + seconds
    turn = 0
    with torch.no_grad():
        while turn < 3 or time.perf_counter() < deadline:
            started = time.perf_counter()
            for _ in range(at_a_time):
                torch.mm(left, right, out=product)
            if device.type != "cpu":
                torch.accelerator.synchronize(device)
            took = (time.perf_counter() - started) / at_a_time
            if turn:  # the first one chooses and loads kernels
                best = min(best, took)
            turn += 1
    return 2 * size**3 / best


def _size(device: torch.device) -> int:
    if device.type != "cuda":
        return 768
    # Three matrices of 8192² in float32 take 0.8 GB.
    free, _ = torch.cuda.mem_get_info(device)
    return 8192 if free > 4 * 2**30 else 2048
