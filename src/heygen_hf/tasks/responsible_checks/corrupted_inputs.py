"""A model that is shown every clip worse than it is, whatever measures it."""

import functools
import inspect
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import torch
from torch import nn

from heygen_hf.evaluation.robustness import corrupt_clip

_INPUT = "pixel_values"


class InputCorruption:
    """What becomes of clips on their way into a model.

    Attributes:
        kind, severity: see `corrupt_clip`; None leaves clips as they are.
        num_clips: how many went in.
    """

    def __init__(self, *, mean: Any, std: Any, seed: int = 0) -> None:
        self._mean, self._std = torch.as_tensor(mean).float(), torch.as_tensor(std).float()
        self.seed = seed
        self.kind: str | None = None
        self.severity = 1
        self.num_clips = 0

    def __call__(self, pixels: torch.Tensor) -> torch.Tensor:
        """`(batch, frames, channels, height, width)` as the processor normalised them, and the same of worse clips."""
        self.num_clips += len(pixels)
        if self.kind is None:
            return pixels
        mean, std = (each.to(pixels.device).reshape(-1, 1, 1) for each in (self._mean, self._std))
        plain = (pixels.float() * std + mean).clamp(0, 1)
        worse = torch.stack([corrupt_clip(clip, self.kind, self.severity, seed=self.seed) for clip in plain])
        return ((worse - mean) / std).to(pixels.dtype)


@contextmanager
def corrupting(model: nn.Module, corruption: InputCorruption) -> Iterator[None]:
    """Have every clip that comes into the model, or into a part of it that is called by itself, go through
    `corruption`, once."""
    depth = 0
    handles = []

    def before(module: nn.Module, args: tuple[Any, ...], kwargs: dict[str, Any]) -> tuple[Any, dict[str, Any]]:
        nonlocal depth
        depth += 1
        if depth > 1:
            return args, kwargs
        place = _place(type(module))
        if isinstance(kwargs.get(_INPUT), torch.Tensor):
            kwargs = {**kwargs, _INPUT: corruption(kwargs[_INPUT])}
        elif len(args) > place and isinstance(args[place], torch.Tensor):
            args = (*args[:place], corruption(args[place]), *args[place + 1 :])
        return args, kwargs

    def after(module: nn.Module, args: Any, output: Any) -> None:  # noqa: ARG001
        nonlocal depth
        depth -= 1

    for module in model.modules():
        if takes_clips(type(module)):
            handles.append(module.register_forward_pre_hook(before, with_kwargs=True))
            # also where the module raises, or what follows would count as inside it
            handles.append(module.register_forward_hook(after, always_call=True))
    try:
        yield
    finally:
        for handle in handles:
            handle.remove()


def takes_clips(kind: type[nn.Module]) -> bool:
    return _place(kind) >= 0


@functools.cache
def _place(kind: type[nn.Module]) -> int:
    """Of the clips among the arguments of `forward`; -1 where it takes none."""
    names = [name for name in inspect.signature(kind.forward).parameters if name != "self"]
    return names.index(_INPUT) if _INPUT in names else -1
