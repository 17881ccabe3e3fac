"""Frozen weights of repeated blocks wait in the CPU's memory, and are on the device while their block computes."""

from typing import Any

import torch
from torch import nn


class BlockOffloading:
    """Brings a block's frozen weights to the device when it is called, and lets go of the block before it.

    For training with adapters and recomputed blocks: a block is called in the forward pass and once more in the
    backward pass, where its weights stay until the next block is recomputed, since its own gradients want them. So the
    device holds one block at a time. What is trained stays on the device.

    Args:
        model: holds lists of blocks itself; on the CPU, or its weights are brought there. The frozen weights of its
            blocks are empty until they are called.

    Raises:
        ValueError: it has no frozen weights in blocks.
    """

    def __init__(self, model: nn.Module) -> None:
        # Lists further inside (of a text refiner, say) are not recomputed block by block.
        self._blocks = [block for part in model.children() if isinstance(part, nn.ModuleList) for block in part]
        self._waiting: dict[nn.Parameter, torch.Tensor] = {}
        for block in self._blocks:
            for name, weight in block.named_parameters():
                # An adapter's weights are small, and earlier ones are read between steps.
                if not weight.requires_grad and weight.numel() and "lora_" not in name:
                    self._waiting[weight] = _pinned(weight.data)
        if not self._waiting:
            raise ValueError(
                "offload_blocks=True keeps the frozen weights of blocks in the CPU's memory, and this model has none: "
                "it is for adapters (a peft section); leave it out"
            )
        self._here: nn.Module | None = None
        self._handles = [
            handle
            for block in self._blocks
            for handle in (block.register_forward_pre_hook(self._bring), block.register_forward_hook(self._leave))
        ]
        for weight in self._waiting:
            _set_aside(weight)

    @property
    def num_bytes(self) -> int:
        """What waits in the CPU's memory."""
        return sum(values.numel() * values.element_size() for values in self._waiting.values())

    @property
    def largest_block_bytes(self) -> int:
        """What the device holds of them at a time."""
        return max(
            sum(
                self._waiting[weight].numel() * self._waiting[weight].element_size()
                for weight in block.parameters()
                if weight in self._waiting
            )
            for block in self._blocks
        )

    def remove(self) -> None:
        """Give all blocks their weights again, on the CPU, for good."""
        for handle in self._handles:
            handle.remove()
        for weight, values in self._waiting.items():
            weight.data = values
        self._waiting.clear()

    def _bring(self, block: nn.Module, _: Any) -> None:
        if self._here is block:
            return
        if self._here is not None:
            self._empty(self._here)
        self._fill(block)
        self._here = block

    def _leave(self, block: nn.Module, *_: Any) -> None:
        # In the backward pass a call is a recomputation, behind which the gradients of this very block come.
        if torch._C._current_graph_task_id() == -1:
            self._empty(block)
            self._here = None

    def _fill(self, block: nn.Module) -> None:
        device = next((weight.device for weight in block.parameters() if weight.requires_grad), None)
        for weight in block.parameters():
            if weight in self._waiting:
                weight.data = self._waiting[weight].to(device or weight.device, non_blocking=True)

    def _empty(self, block: nn.Module) -> None:
        for weight in block.parameters():
            if weight in self._waiting:
                _set_aside(weight)


def _pinned(values: torch.Tensor) -> torch.Tensor:
    values = values.cpu()
    return values.pin_memory() if torch.cuda.is_available() else values


def _set_aside(weight: nn.Parameter) -> None:
    weight.data = weight.data.new_empty(0)
