"""Exponential moving average of the trainable weights (Polyak & Juditsky 1992)."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import torch
from safetensors.torch import load_file, save_file
from torch import nn


class ExponentialMovingAverage:
    """Keeps `average = decay * average + (1 - decay) * weight` of every trainable parameter, in float32.

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
        averages = list(self._averages.values())
        weights = [weight.detach().to(torch.float32) for weight in self._weights.values()]
        torch._foreach_lerp_(averages, weights, 1 - decay)

    @contextmanager
    def applied(self) -> Iterator[None]:
        """Within the context the model holds the averages; afterwards its own weights again, bit for bit."""
        own = {name: weight.detach().clone() for name, weight in self._weights.items()}
        try:
            self._copy_into_model(self._averages)
            yield
        finally:
            self._copy_into_model(own)

    def state_dict(self) -> dict[str, torch.Tensor]:
        """The averages by parameter name."""
        return dict(self._averages)

    def save(self, path: str | Path) -> None:
        """Write the averages and the update count as safetensors."""
        tensors = {name: average.contiguous() for name, average in self._averages.items()}
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
            average.copy_(tensors[name])
        with safe_open(str(path), framework="pt") as file:
            self.num_updates = int(file.metadata()["num_updates"])

    @torch.no_grad()
    def _copy_into_model(self, values: dict[str, torch.Tensor]) -> None:
        for name, weight in self._weights.items():
            weight.copy_(values[name])
