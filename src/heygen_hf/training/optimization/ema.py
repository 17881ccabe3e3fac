"""Exponential moving average of the trainable weights (Polyak & Juditsky 1992)."""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

import torch
from safetensors.torch import load_file, save_file
from torch import nn

from heygen_hf.training.parallel.sharding import gather, local, part_of


class ExponentialMovingAverage:
    """Keeps `average = decay * average + (1 - decay) * weight` of every trainable parameter, in float32.

    Of weights that are sharded over processes, each process averages its part.

    The decay of the n-th update is `min(decay, (1 + n) / (10 + n))`, so that the random start is forgotten early.

    Args:
        model: whose parameters are averaged; its names key the file.
        decay: in [0, 1); 0 follows the weights.

    Raises:
        ValueError: `decay` outside [0, 1).
    """

    def __init__(self, model: nn.Module, *, decay: float) -> None:
        if not 0 <= decay < 1:
            raise ValueError(f"ema_decay={decay} must lie in [0, 1).")
        self.decay = decay
        self.num_updates = 0
        self._weights = {name: weight for name, weight in model.named_parameters() if weight.requires_grad}
        # Float32 whatever the weights are: at decay 0.999 a bfloat16 average would not move at all.
        self._averages = {name: weight.detach().float().clone() for name, weight in self._weights.items()}

    @torch.no_grad()
    def update(self) -> None:
        """Move the averages towards the weights; call after each optimiser step."""
        self.num_updates += 1
        decay = min(self.decay, (1 + self.num_updates) / (10 + self.num_updates))
        averages = [local(average) for average in self._averages.values()]
        weights = [local(weight.detach()).to(torch.float32) for weight in self._weights.values()]
        torch._foreach_lerp_(averages, weights, 1 - decay)

    def follow(self, model: nn.Module, *, averages: Mapping[str, torch.Tensor] | None = None) -> None:
        """Average a model's weights of the same names from now on, sharded as they are.

        Args:
            averages: whole ones to go on from; by default those held now.
        """
        weights = {name: weight for name, weight in model.named_parameters() if weight.requires_grad}
        if all(weights[name] is weight for name, weight in self._weights.items()):
            return
        averages = self._averages if averages is None else averages
        self._averages = {name: part_of(averages[name], weights[name]) for name in self._weights}
        self._weights = {name: weights[name] for name in self._weights}

    @contextmanager
    def applied(self) -> Iterator[None]:
        """Within the context the model holds the averages; afterwards its own weights again, bit for bit."""
        own = {name: weight.detach().clone() for name, weight in self._weights.items()}
        try:
            self._copy_into_model(self._averages)
            yield
        finally:
            self._copy_into_model(own)

    @property
    def parts(self) -> Mapping[str, torch.Tensor]:
        """The averages by parameter name, sharded where the weights are."""
        return self._averages

    def state_dict(self, *, keep: bool = True) -> dict[str, torch.Tensor]:
        """The averages by parameter name, whole. Where weights are sharded, every process must call.

        Args:
            keep: whether this process wants them; otherwise it gets none.
        """
        return gather(self._averages, keep=keep)

    def save(self, path: str | Path, *, write: bool = True) -> None:
        """Write the averages and the update count as safetensors.

        Args:
            write: whether this process writes. Where weights are sharded, every process must call.
        """
        tensors = {name: average.contiguous() for name, average in self.state_dict(keep=write).items()}
        if write:
            save_file(tensors, str(path), metadata={"format": "pt", "num_updates": str(self.num_updates)})

    def load(self, path: str | Path) -> None:
        """Read what `save` wrote.

        Raises:
            ValueError: the file holds other parameters than the model.
        """
        from safetensors import safe_open

        tensors = load_file(str(path))
        if tensors.keys() != self._averages.keys():
            odd = sorted(tensors.keys() ^ self._averages.keys())[:3]
            raise ValueError(f"{Path(path).name} holds the averages of another model (first differences: {odd}).")
        for name, average in self._averages.items():
            local(average).copy_(local(part_of(tensors[name], average)))
        with safe_open(str(path), framework="pt") as file:
            self.num_updates = int(file.metadata()["num_updates"])

    @torch.no_grad()
    def _copy_into_model(self, values: dict[str, torch.Tensor]) -> None:
        for name, weight in self._weights.items():
            local(weight).copy_(local(values[name]))
