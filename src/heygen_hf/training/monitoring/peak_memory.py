"""The most memory that training took so far."""

import sys

import torch


def peak_memory_bytes(device: torch.device) -> int:
    """Of the tensors on a GPU, or of the whole process where there is none; 0 where the system does not tell."""
    if device.type == "cuda":
        return torch.cuda.max_memory_allocated(device)
    try:
        import resource
    except ImportError:  # Windows
        return 0
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak if sys.platform == "darwin" else peak * 1024
