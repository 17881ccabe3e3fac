"""Whether loss and gradient are numbers, found out without waiting for a GPU."""

import math
from dataclasses import dataclass
from typing import Any

import torch
from accelerate import Accelerator

# The loss scale starts at 2^16 and halves each time: after so many there is nothing left to halve.
MOST_SKIPPED_STEPS = 50


@dataclass(frozen=True)
class NonFinite:
    """A step whose loss or gradient is no number.

    Attributes:
        step: the optimiser step, counted from 1.
        what: "loss", or "gradient norm" where all losses are numbers.
        value: of the first process that saw it.
        processes: which ones saw it.
    """

    step: int
    what: str
    value: float
    processes: list[int]


class NonFiniteError(ValueError):
    """A run stops at a step whose loss or gradient is no number.

    Attributes:
        found: which step, and what.
        layer: where it comes from, where the layers were watched.
    """

    def __init__(self, message: str, *, found: NonFinite, layer: str | None) -> None:
        super().__init__(message)
        self.found, self.layer = found, layer


class FiniteCheck:
    """Looks at each optimiser step's losses and gradient norm, on all processes together.

    On a CPU a step is judged before its update. A GPU is not waited for: its figures are copied aside and read a step
    later, when they have long arrived, or in `settle` before anything of the step is kept. With an fp16 loss scaler
    gradients overflow now and then and the step is skipped, which is no error; many such steps on end are one.

    Args:
        waits: wait for a GPU, and judge its steps too before their updates.
    """

    def __init__(self, accelerator: Accelerator, *, waits: bool = False) -> None:
        self.accelerator, self.waits = accelerator, waits
        self._losses: list[torch.Tensor] = []
        self._pending: tuple[int, torch.Tensor, torch.cuda.Event] | None = None
        self._skipped_steps = 0

    def note_loss(self, loss: torch.Tensor) -> None:
        """The loss of a micro-batch, detached."""
        self._losses.append(loss)

    def check(self, step: int, gradient_norm: Any) -> NonFinite | None:
        """Judge a step, or the one before it on a GPU.

        Args:
            gradient_norm: a number, a scalar tensor, or None where the engine tells none.
        """
        losses, self._losses = self._losses, []
        found = self.settle()
        if found is not None or not losses:
            return found
        device = losses[0].device
        if device.type != "cuda" and self.accelerator.num_processes == 1:
            norm = 0.0 if gradient_norm is None else float(_local(gradient_norm))
            return self._judge(step, [[sum(loss.item() for loss in losses), norm]])
        norm = _local(0.0 if gradient_norm is None else gradient_norm)
        figures = [torch.stack(losses).sum().float(), torch.as_tensor(norm, device=device).float()]
        seen = self.accelerator.gather(torch.stack(figures)[None])
        if device.type != "cuda" or self.waits:
            return self._judge(step, seen.tolist())
        aside = torch.empty(seen.shape, pin_memory=True)
        aside.copy_(seen, non_blocking=True)
        arrived = torch.cuda.Event()
        arrived.record()
        self._pending = (step, aside, arrived)
        return None

    def settle(self) -> NonFinite | None:
        """Judge what has not been judged yet; to be called before anything is logged, evaluated or saved."""
        if self._pending is None:
            return None
        step, aside, arrived = self._pending
        self._pending = None
        arrived.synchronize()
        return self._judge(step, aside.tolist())

    def _judge(self, step: int, by_process: list[list[float]]) -> NonFinite | None:
        for column, what in enumerate(("loss", "gradient norm")):
            values = [figures[column] for figures in by_process]
            bad = [process for process, value in enumerate(values) if not math.isfinite(value)]
            if not bad:
                if what == "gradient norm":
                    self._skipped_steps = 0
                continue
            if what == "gradient norm" and self.accelerator.scaler is not None:
                self._skipped_steps += 1
                if self._skipped_steps < MOST_SKIPPED_STEPS:
                    continue
            return NonFinite(step, what, values[bad[0]], bad)
        return None


def weights_are_finite(model: torch.nn.Module, accelerator: Accelerator) -> bool:
    """Whether every weight that is trained, of every process's share, is a number; the others stay what they were."""
    weights = [_local(weight.detach()) for weight in model.parameters() if weight.requires_grad]
    weights = [weight for weight in weights if weight.is_floating_point() and weight.numel()]
    worst = torch.zeros((), device=accelerator.device)
    if weights:
        largest = torch._foreach_norm(weights, float("inf"))
        worst = torch.stack([value.float().to(accelerator.device) for value in largest]).max()
    if accelerator.num_processes > 1:
        worst = accelerator.gather(worst[None]).max()
    return bool(torch.isfinite(worst))


def _local(value: Any) -> Any:
    """This process's share of a tensor that is spread over several; of a norm, the whole."""
    if hasattr(value, "full_tensor"):
        return value.full_tensor() if value.ndim == 0 else value.to_local()
    return value
