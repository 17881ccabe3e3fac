"""Parts of a tiny pipeline that say they are on another device than the CPU, and record where they go."""

from typing import Any

import torch
from torch import nn

ELSEWHERE = torch.device("meta")


class Journal(list[tuple[str, str]]):
    """`(part, "comes" | "leaves" | "computes")`, in order; a part that computes elsewhere is an error."""

    def add(self, part: nn.Module, name: str) -> None:
        """Let a part be elsewhere; its weights stay where they are."""
        part.__dict__["_place"], part.__dict__["_journal"] = [ELSEWHERE], (self, name)
        # transformers looks up by the class's name what a model may return
        named = {"__module__": type(part).__module__, "__qualname__": type(part).__qualname__}
        part.__class__ = type(type(part).__name__, (_Elsewhere, type(part)), named)
        for module in part.modules():
            if not list(module.children()):
                module.register_forward_hook(lambda *_: self._computed(part, name))

    def _computed(self, part: Any, name: str) -> None:
        assert part.device == torch.device("cpu"), f"{name} computes elsewhere"
        if not self or self[-1] != (name, "computes"):
            self.append((name, "computes"))

    def names(self, event: str) -> list[str]:
        """Of the parts to which it happened, in order."""
        return [name for name, what in self if what == event]

    def most_visitors(self) -> int:
        """How many were there at once."""
        here, most = 0, 0
        for _, what in self:
            here += {"comes": 1, "leaves": -1}.get(what, 0)
            most = max(most, here)
        return most


class _Elsewhere:
    _place: list[torch.device]
    _journal: tuple[Journal, str]

    @property
    def device(self) -> torch.device:
        return self._place[0]

    def to(self, *args: Any, **options: Any) -> Any:
        place = torch.device(args[0]) if args and isinstance(args[0], str | torch.device) else None
        if place is None:
            return super().to(*args, **options)  # type: ignore[misc]
        if place != self._place[0]:
            journal, name = self._journal
            journal.append((name, "comes" if place.type == "cpu" else "leaves"))
            self._place[0] = place
        return self
