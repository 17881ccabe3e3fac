"""The parts of a loss, as means since the last entry of the log."""

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence

import torch
from accelerate import Accelerator

_MOST_KEPT = 256


class LossParts:
    """Values are kept where they are and summed up when they are read: adding one waits for nothing.

    Sums are Python's, one value after the other, so that they do not depend on when a checkpoint was made.
    """

    def __init__(self) -> None:
        self._kept: list[tuple[torch.Tensor, list[Sequence[str]]]] = []
        self._sums: dict[str, float] = defaultdict(float)
        self._counts: dict[str, float] = defaultdict(float)

    def add(self, values: Mapping[str, torch.Tensor]) -> None:
        """A scalar of each name; the same names on all processes."""
        for name, value in values.items():
            self._keep(value, [(name,)], names=(name,))

    def add_samples(self, losses: torch.Tensor, *groups: Sequence[str], names: Iterable[str]) -> None:
        """Losses of samples `(samples,)`, each counted in the groups that it is of.

        Args:
            groups: each names one group of every sample.
            names: all groups there are; the same on all processes.
        """
        self._keep(losses, list(zip(*groups, strict=True)), names=names)

    def _keep(self, values: torch.Tensor, groups: list[Sequence[str]], *, names: Iterable[str]) -> None:
        for name in names:
            self._counts[name] += 0.0
        values = values.detach()
        # A compiled model may write its next outputs over these.
        self._kept.append((values.clone() if values.is_cuda else values, groups))
        if len(self._kept) >= _MOST_KEPT:
            self._sum_up()

    def _sum_up(self) -> None:
        kept, self._kept = self._kept, []
        if not kept:
            return
        values = torch.cat([values.reshape(-1).float() for values, _ in kept]).tolist()
        for value, names in zip(values, (names for _, groups in kept for names in groups), strict=True):
            for name in names:
                self._sums[name] += value
                self._counts[name] += 1

    def read(self, accelerator: Accelerator) -> dict[str, float]:
        """The mean of each over all processes; then counts anew. A group without a sample is left out."""
        self._sum_up()
        names = list(self._counts)
        if not names:
            return {}
        figures = [[self._sums[name] for name in names], [self._counts[name] for name in names]]
        self._sums.clear()
        self._counts.clear()
        if accelerator.num_processes > 1:
            mine = torch.tensor(figures, device=accelerator.device)
            figures = accelerator.reduce(mine, reduction="sum").tolist()
        return {name: total / count for name, total, count in zip(names, *figures, strict=True) if count}

    def state_dict(self) -> dict[str, list[float]]:
        """Sum and count so far, by name."""
        self._sum_up()
        return {name: [self._sums[name], count] for name, count in self._counts.items()}

    def load_state_dict(self, state: Mapping[str, Sequence[float]]) -> None:
        """Go on from what `state_dict` gave."""
        self._kept.clear()
        self._sums = defaultdict(float, {name: total for name, (total, _) in state.items()})
        self._counts = defaultdict(float, {name: count for name, (_, count) in state.items()})
