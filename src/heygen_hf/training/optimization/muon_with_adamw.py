"""Muon for the matrices of the blocks, AdamW for everything else, behind one optimiser object."""

from collections.abc import Callable
from typing import Any

import torch
from torch import nn

from heygen_hf.training.optimization.muon import Muon


class MuonWithAdamW(torch.optim.Optimizer):
    """`Muon` on hidden matrices and `torch.optim.AdamW` on the rest.

    Muon orthogonalises the update of a weight matrix; embeddings, the first and last projections, norms and biases
    are not such matrices and stay with AdamW. Trainer, schedulers and checkpoints see one optimiser: its
    `param_groups` are the two optimisers' own.

    Args:
        muon_parameters: 2-D weights inside the blocks.
        adamw_parameters: everything else.
        muon_lr, adamw_lr: learning rates; Muon's update has about AdamW's root mean square.
    """

    def __init__(
        self,
        muon_parameters: list[nn.Parameter],
        adamw_parameters: list[nn.Parameter],
        *,
        muon_lr: float,
        adamw_lr: float,
        momentum: float = 0.95,
        betas: tuple[float, float] = (0.9, 0.95),
        eps: float = 1e-8,
        weight_decay: float = 0.0,
    ) -> None:
        self.muon = Muon(muon_parameters, lr=muon_lr, momentum=momentum, weight_decay=weight_decay)
        self.adamw = torch.optim.AdamW(
            adamw_parameters, lr=adamw_lr, betas=betas, eps=eps, weight_decay=0.0, fused=True
        )
        super().__init__(self.muon.param_groups + self.adamw.param_groups, defaults={})
        self._share_groups()

    def _share_groups(self) -> None:
        # The base class copies the group dictionaries; a scheduler must write to the very ones the two read.
        self.param_groups = self.muon.param_groups + self.adamw.param_groups

    @torch.no_grad()
    def step(self, closure: Callable[[], float] | None = None) -> float | None:
        loss = None
        if closure is not None:
            with torch.enable_grad():
                loss = closure()
        self.muon.step()
        self.adamw.step()
        return loss

    def zero_grad(self, set_to_none: bool = True) -> None:
        self.muon.zero_grad(set_to_none)
        self.adamw.zero_grad(set_to_none)

    def state_dict(self) -> dict[str, Any]:
        return {"muon": self.muon.state_dict(), "adamw": self.adamw.state_dict()}

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        self.muon.load_state_dict(state_dict["muon"])
        self.adamw.load_state_dict(state_dict["adamw"])
        self._share_groups()


def split_for_muon(model: nn.Module) -> tuple[list[nn.Parameter], list[nn.Parameter]]:
    """Trainable parameters as (matrices inside repeated blocks, all others).

    A block is an element of an `nn.ModuleList`: transformers of every family keep theirs there.
    """
    inside_blocks = {
        id(weight) for module in model.modules() if isinstance(module, nn.ModuleList) for weight in module.parameters()
    }
    matrices, others = [], []
    for weight in model.parameters():
        if weight.requires_grad:
            (matrices if weight.ndim == 2 and id(weight) in inside_blocks else others).append(weight)
    return matrices, others
