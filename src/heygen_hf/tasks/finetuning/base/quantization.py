"""A frozen transformer's weights in few bits, on any device; what is small or sensitive stays as it is."""

from collections.abc import Callable
from typing import Any

import torch
from torch import nn

from heygen_hf._optional import require

SMALLEST = 4096
"""Layers of fewer weights gain nothing."""
_BLOCK = 64  # inputs that share a scale in 4 bits


def quantize_nf4(transformer: nn.Module, *, compute_dtype: torch.dtype) -> int:
    """Put the linear layers of the repeated blocks in 4-bit NF4, with their scales in 8 bits (QLoRA, Dettmers et al.
    2023, arXiv:2305.14314).

    diffusers does so too, on a GPU alone.

    Args:
        compute_dtype: in which they multiply.

    Returns:
        How many layers.

    Raises:
        ImportError: without the extra `quantization`.
    """
    require("bitsandbytes")
    import bitsandbytes as bnb

    replaced = _replace_linears(transformer, lambda layer: _in_four_bits(bnb, layer, compute_dtype))
    # What peft looks for, to put adapters beside layers of this kind.
    transformer.is_loaded_in_4bit = True
    return replaced


def quantize_fp8(transformer: nn.Module) -> int:
    """Put the linear layers of the repeated blocks in 8-bit floating point (e4m3), with a scale for each row.

    Returns:
        How many layers.
    """
    return _replace_linears(transformer, Float8Linear)


class Float8Linear(nn.Linear):
    """A frozen linear layer whose weight is kept in 8 bits, and is wider only while it multiplies.

    Args:
        layer: in 16 or 32 bits, whose bias is kept as it is.
    """

    def __init__(self, layer: nn.Linear) -> None:
        super().__init__(layer.in_features, layer.out_features, bias=False, device="meta")
        weight = layer.weight.data.float()
        largest = torch.finfo(torch.float8_e4m3fn).max
        scale = (weight.abs().amax(dim=1, keepdim=True) / largest).clamp(min=torch.finfo(torch.float32).tiny)
        self.weight = nn.Parameter((weight / scale).to(torch.float8_e4m3fn), requires_grad=False)
        self.register_buffer("scale", scale)
        self.bias = layer.bias

    def forward(self, values: torch.Tensor) -> torch.Tensor:
        product = _MultiplyBy8Bits.apply(values, self.weight, self.scale)
        return product if self.bias is None else product + self.bias


class _MultiplyBy8Bits(torch.autograd.Function):
    """The wide weight is made anew in the backward pass: kept, it would take the memory that 8 bits save."""

    @staticmethod
    def forward(ctx: Any, values: torch.Tensor, weight: torch.Tensor, scale: torch.Tensor) -> torch.Tensor:
        if torch.is_autocast_enabled(values.device.type):
            values = values.to(torch.get_autocast_dtype(values.device.type))
        ctx.save_for_backward(weight, scale)
        return nn.functional.linear(values, (weight.float() * scale).to(values.dtype))

    @staticmethod
    def backward(ctx: Any, gradient: torch.Tensor) -> tuple[torch.Tensor, None, None]:  # type: ignore[override]
        weight, scale = ctx.saved_tensors
        return gradient @ (weight.float() * scale).to(gradient.dtype), None, None


def _replace_linears(transformer: nn.Module, make: Callable[[nn.Linear], nn.Module]) -> int:
    replaced = 0
    for blocks in [module for module in transformer.modules() if isinstance(module, nn.ModuleList)]:
        for name, layer in [*blocks.named_modules()]:
            if type(layer) is not nn.Linear or layer.weight.numel() < SMALLEST or layer.in_features % _BLOCK:
                continue
            place, _, last = name.rpartition(".")
            setattr(blocks.get_submodule(place), last, make(layer))
            replaced += 1
    return replaced


def _in_four_bits(bnb: Any, layer: nn.Linear, compute_dtype: torch.dtype) -> nn.Module:
    found = bnb.nn.Linear4bit(
        layer.in_features,
        layer.out_features,
        bias=layer.bias is not None,
        compute_dtype=compute_dtype,
        quant_type="nf4",
        device="meta",
    )
    found.weight = bnb.nn.Params4bit(
        layer.weight.data.contiguous(), requires_grad=False, quant_type="nf4", compress_statistics=True
    )
    found.bias = layer.bias
    # On some CPUs an evaluation would pack the weights anew, for good, in a form that has no gradients.
    found.support_avx512bf16_for_cpu = False
    return found.to(layer.weight.device)  # where it lies it is quantised
