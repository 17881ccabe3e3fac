"""Parts of a pipeline that wait elsewhere, and are on the device only while they compute."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import torch
from accelerate.hooks import ModelHook, add_hook_to_module, remove_hook_from_module
from torch import nn


@contextmanager
def one_visitor_at_a_time(pipe: Any, device: torch.device) -> Iterator[None]:
    """Within the context, parts of a pipeline of diffusers that are elsewhere come to the device when they are called.

    One leaves when another part is called, so the device holds one of them beside what is there anyway. Behind the
    context every part is where it was, also after an error.
    """
    parts = [part for part in pipe.components.values() if isinstance(part, nn.Module) and not hasattr(part, "_hf_hook")]
    away = [part for part in parts if part.device != device]
    visits = _Visits(device)
    handles = []
    try:
        if away:
            handles = [part.register_forward_pre_hook(visits.end) for part in parts if part not in away]
        for part in away:
            add_hook_to_module(part, _ComesWhenCalled(visits))
        yield
    finally:
        for handle in handles:
            handle.remove()
        for part in away:
            remove_hook_from_module(part)
        visits.end()


class _Visits:
    def __init__(self, device: torch.device) -> None:
        self.device = device
        self._visitor: nn.Module | None = None
        self._home = torch.device("cpu")

    def begin(self, part: Any) -> None:
        if self._visitor is part:
            return
        self.end()
        self._visitor, self._home = part, part.device
        part.to(self.device)

    def end(self, *_: Any) -> None:
        if self._visitor is not None:
            self._visitor.to(self._home)
            self._visitor = None


class _ComesWhenCalled(ModelHook):  # type: ignore[misc] - accelerate has no types
    """Diffusers calls `pre_forward` for `encode` and `decode` too, and computes on the `execution_device`."""

    def __init__(self, visits: _Visits) -> None:
        self.visits, self.execution_device = visits, visits.device

    def pre_forward(self, module: nn.Module, *args: Any, **options: Any) -> tuple[tuple[Any, ...], dict[str, Any]]:
        self.visits.begin(module)
        return args, options
