"""The figures beside every logged loss: of all processes together."""

import math
from collections.abc import Sequence

import torch
from accelerate import Accelerator

from heygen_hf.training.monitoring.throughput import Throughput


def all_processes_figures(
    accelerator: Accelerator,
    done: Throughput,
    *,
    flops: float | None,
    peak_flops: float | None,
    peak_memory_bytes: int,
) -> dict[str, float]:
    """Call it on every process; each gets the same.

    Args:
        done: by this process.
        flops: of the model in that time; None where they cannot be counted.
        peak_flops: of this process's device, a second.

    Returns:
        `samples_per_second`; `tokens_per_second` and `padding_share` where there are tokens; `data_wait_share`, the
        mean over processes; `flops_per_second`, and `mfu`, its share of all devices' peak; `peak_memory_gib`, the
        largest of any process.
    """
    unknown = float("nan")
    own = [
        done.seconds,
        done.waiting_seconds,
        done.samples,
        done.tokens,
        done.padding_tokens,
        unknown if flops is None else flops,
        unknown if peak_flops is None else peak_flops,
        peak_memory_bytes,
    ]
    seconds, waiting, samples, tokens, padding, flop, peak, memory = zip(*_gathered(accelerator, own), strict=True)
    longest = max(seconds)
    figures = {"samples_per_second": round(sum(samples) / longest, 2)}
    if sum(tokens):  # a convolution has none
        figures["tokens_per_second"] = round(sum(tokens) / longest, 1)
        figures["padding_share"] = round(sum(padding) / sum(tokens), 4)
    if math.isfinite(sum(flop)):
        figures["flops_per_second"] = float(f"{sum(flop) / longest:.4g}")
        if math.isfinite(sum(peak)):
            figures["mfu"] = round(sum(flop) / longest / sum(peak), 4)
    figures["data_wait_share"] = round(sum(waiting) / sum(seconds), 4)
    if max(memory):
        figures["peak_memory_gib"] = round(max(memory) / 2**30, 3)
    return figures


def _gathered(accelerator: Accelerator, own: Sequence[float]) -> list[list[float]]:
    if accelerator.num_processes == 1:
        return [list(own)]
    dtype = torch.float64 if accelerator.device.type in ("cpu", "cuda") else torch.float32
    return accelerator.gather(torch.tensor([own], dtype=dtype, device=accelerator.device)).tolist()
