"""Position-wise feed-forward layers: gated (SwiGLU, Shazeer 2020, arXiv:2002.05202) and plain."""

import torch
from torch import nn
from transformers.activations import ACT2FN


class GatedFeedForward(nn.Module):
    """`down(act(gate(x)) * up(x))`, no biases. `(..., hidden_size)` in and out."""

    def __init__(self, hidden_size: int, intermediate_size: int, *, activation: str = "silu") -> None:
        super().__init__()
        self.gate_proj = nn.Linear(hidden_size, intermediate_size, bias=False)
        self.up_proj = nn.Linear(hidden_size, intermediate_size, bias=False)
        self.down_proj = nn.Linear(intermediate_size, hidden_size, bias=False)
        self.activation = ACT2FN[activation]

    def forward(self, hidden: torch.Tensor) -> torch.Tensor:
        return self.down_proj(self.activation(self.gate_proj(hidden)) * self.up_proj(hidden))


class FeedForward(nn.Module):
    """`down(act(up(x)))`, no biases. `(..., hidden_size)` in and out."""

    def __init__(self, hidden_size: int, intermediate_size: int, *, activation: str = "gelu") -> None:
        super().__init__()
        self.up_proj = nn.Linear(hidden_size, intermediate_size, bias=False)
        self.down_proj = nn.Linear(intermediate_size, hidden_size, bias=False)
        self.activation = ACT2FN[activation]

    def forward(self, hidden: torch.Tensor) -> torch.Tensor:
        return self.down_proj(self.activation(self.up_proj(hidden)))
