"""The parts of a loss, as means since the last entry of the log."""

from collections import defaultdict
from collections.abc import Mapping, Sequence

import torch
from accelerate import Accelerator


class LossParts:
    """Sums on the device, read only when they are logged: adding to them waits for nothing."""

    def __init__(self) -> None:
        self._sums: dict[str, torch.Tensor] = {}
        self._counts: dict[str, float] = defaultdict(float)

    def add(self, values: Mapping[str, torch.Tensor]) -> None:
        """A scalar of each name; the same names on all processes."""
        for name, value in values.items():
            value = value.detach().float()
            self._sums[name] = self._sums[name] + value if name in self._sums else value
            self._counts[name] += 1

    def add_samples(self, losses: torch.Tensor, groups: torch.Tensor, names: Sequence[str]) -> None:
        """Losses of samples `(samples,)`, each counted in the groups that it is of.

        Args:
            groups: bool `(samples, groups)`, on the CPU.
            names: of the groups.
        """
        key = ",".join(names)
        per_group = (losses.detach().float()[:, None] * groups.to(losses.device, torch.float32)).sum(0)
        self._sums[key] = self._sums[key] + per_group if key in self._sums else per_group
        for name, count in zip(names, groups.sum(0).tolist(), strict=True):
            self._counts[name] += count

    def read(self, accelerator: Accelerator) -> dict[str, float]:
        """The mean of each over all processes; then counts anew. A group without a sample is left out."""
        if not self._sums:
            return {}
        names = [name for key in self._sums for name in key.split(",")]
        sums = torch.cat([value.reshape(-1) for value in self._sums.values()])
        counts = torch.tensor([self._counts[name] for name in names], dtype=torch.float32, device=sums.device)
        if accelerator.num_processes > 1:
            sums, counts = accelerator.reduce(torch.stack([sums, counts]), reduction="sum")
        self._sums.clear()
        self._counts.clear()
        found = zip(names, sums.tolist(), counts.tolist(), strict=True)
        return {name: total / count for name, total, count in found if count}

    def state_dict(self) -> dict[str, list[float]]:
        """Sums, then counts so far, of each name (or of names joined by commas)."""
        return {
            key: [*value.reshape(-1).tolist(), *(self._counts[name] for name in key.split(","))]
            for key, value in self._sums.items()
        }

    def load_state_dict(self, state: Mapping[str, list[float]], *, device: torch.device) -> None:
        """Go on from what `state_dict` gave."""
        self._sums.clear()
        self._counts.clear()
        for key, numbers in state.items():
            names = key.split(",")
            sums, counts = numbers[: len(names)], numbers[len(names) :]
            self._sums[key] = torch.tensor(sums if len(names) > 1 else sums[0], device=device)
            self._counts.update(zip(names, counts, strict=True))
