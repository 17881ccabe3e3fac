"""Several processes, one figure: each takes its share of the clips, and what they saw is merged."""

import torch
from safetensors.torch import load, save
from torch import distributed

from heygen_hf.evaluation.registry.metric import ClipMetric


def process_share() -> tuple[int, int]:
    """This process's number and how many there are: it takes every so-manieth clip."""
    if distributed.is_available() and distributed.is_initialized():
        return distributed.get_rank(), distributed.get_world_size()
    return 0, 1


def all_agree(flags: list[bool]) -> list[bool]:
    """For each flag, whether it is up in every process."""
    if not flags or process_share()[1] == 1:
        return flags
    tensor = torch.tensor([int(flag) for flag in flags], device=_device())
    distributed.all_reduce(tensor, op=distributed.ReduceOp.MIN)
    return [bool(flag) for flag in tensor.tolist()]


def _device() -> torch.device:
    on_gpu = distributed.get_backend() == "nccl"
    return torch.device("cuda", torch.cuda.current_device()) if on_gpu else torch.device("cpu")


def gather_metrics(metrics: list[ClipMetric]) -> None:
    """Merge what all processes took in, so that each has everything; nothing of a process alone.

    It travels as safetensors in one padded tensor a metric, without pickle.
    """
    rank, num_processes = process_share()
    if num_processes == 1:
        return
    device = _device()
    for metric in metrics:
        data = save({name: tensor.contiguous() for name, tensor in metric.to_tensors().items()})
        own = torch.frombuffer(bytearray(data), dtype=torch.uint8).to(device)
        sizes = [torch.zeros(1, dtype=torch.int64, device=device) for _ in range(num_processes)]
        distributed.all_gather(sizes, torch.tensor([own.numel()], device=device))
        longest = max(int(size) for size in sizes)
        padded = torch.zeros(longest, dtype=torch.uint8, device=device)
        padded[: own.numel()] = own
        parts = [torch.zeros_like(padded) for _ in range(num_processes)]
        distributed.all_gather(parts, padded)
        for other, (part, size) in enumerate(zip(parts, sizes, strict=True)):
            if other != rank:
                metric.merge_tensors(load(part[: int(size)].cpu().numpy().tobytes()))
