"""What a step of fine-tuning keeps in memory, computed from the transformer's own forward pass without any weights.

The transformer is built on the "meta" device, where operations know shapes and compute nothing, and what autograd would
keep of a forward pass is counted block by block. So the figures hold for the transformer as it is and for the clips as
they are; what they leave out (the allocator's gaps, kernels' workspaces) is the reserve.
"""

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass, field
from typing import Any

import torch
from torch import nn
from torch.overrides import TorchFunctionMode

from heygen_hf.models.pretrained_generators import GeneratorFamily

GIBIBYTE = 2**30
CARD_SIZES = (8, 16, 24, 48, 80, 141)
"""GiB of the cards that are spoken of."""
_RESERVE = 0.92  # of a card, for what is counted
_OVERHEAD = 1.0 * GIBIBYTE  # of the runtime and its libraries
_BYTES_OF = {"bfloat16": 2.0, "float16": 2.0, "float32": 4.0, "fp8": 1.0, "nf4": 0.516}
_CHECKPOINTING = ("none", "blocks", "blocks, offloaded")


@dataclass
class KeptActivations:
    """Bytes that autograd keeps of one forward pass.

    Attributes:
        of_blocks: by each block, its input among them.
        inputs: of each block's input alone.
        outside: by everything else.
    """

    of_blocks: list[int] = field(default_factory=list)
    inputs: list[int] = field(default_factory=list)
    outside: int = 0

    def peak(self, checkpointing: str) -> int:
        """At the worst moment: all blocks' at once, or all blocks' inputs and one block's own."""
        if checkpointing == "none":
            return sum(self.of_blocks) + self.outside
        held = 0 if checkpointing.endswith("offloaded") else sum(self.inputs)
        return held + max(self.of_blocks, default=0) + self.outside


def kept_activations(transformer: nn.Module, call: Callable[[], Any]) -> KeptActivations:
    """Count what a call of a transformer on the meta device keeps for the backward pass."""
    kept = KeptActivations()
    weights = {weight.untyped_storage()._cdata for weight in transformer.parameters()}
    seen: set[int] = set()
    held: list[torch.Tensor] = []  # keeps storages, and so their addresses, apart
    inside: list[int] = []

    def pack(tensor: torch.Tensor) -> torch.Tensor:
        storage = tensor.untyped_storage()
        if storage._cdata not in weights and storage._cdata not in seen:
            seen.add(storage._cdata)
            held.append(tensor)
            if inside:
                kept.of_blocks[inside[-1]] += storage.nbytes()
            else:
                kept.outside += storage.nbytes()
        return tensor

    def enter(block: nn.Module, arguments: tuple[Any, ...], keywords: Mapping[str, Any]) -> None:  # noqa: ARG001
        first = next(value for value in (*arguments, *keywords.values()) if isinstance(value, torch.Tensor))
        inside.append(len(kept.of_blocks))
        kept.of_blocks.append(0)
        kept.inputs.append(first.numel() * first.element_size())

    def leave(*_: Any) -> None:
        inside.pop()

    handles = []
    for blocks in _block_lists(transformer):
        for block in blocks:
            handles += [
                block.register_forward_pre_hook(enter, with_kwargs=True),
                block.register_forward_hook(leave),
            ]
    try:
        with (
            _FusedAttention(),
            _without_autocast(),
            torch.autograd.graph.saved_tensors_hooks(pack, lambda tensor: tensor),
        ):
            call()
    finally:
        for handle in handles:
            handle.remove()
    return kept


@contextmanager
def _without_autocast() -> Iterator[None]:
    """Some transformers choose a precision for a part of them, which the "meta" device refuses."""
    autocast = torch.autocast
    torch.autocast = lambda *_, **__: nullcontext()  # type: ignore[assignment, misc]
    try:
        yield
    finally:
        torch.autocast = autocast  # type: ignore[misc]


class _Fused(torch.autograd.Function):
    """What a fused kernel keeps: its inputs, its output and a number a row, and no matrix of weights."""

    @staticmethod
    def forward(ctx: Any, query: torch.Tensor, key: torch.Tensor, value: torch.Tensor) -> torch.Tensor:
        out = query.new_empty(*query.shape[:-1], value.shape[-1])
        row_sums = query.new_empty(query.shape[:-1], dtype=torch.float32)
        ctx.save_for_backward(query, key, value, out, row_sums)
        return out


class _FusedAttention(TorchFunctionMode):
    """Where shapes alone are computed, torch takes attention apart, which a GPU does not; and it knows no values."""

    def __torch_function__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        kwargs = kwargs or {}
        if func is torch.nn.functional.scaled_dot_product_attention:
            named = dict(zip(("query", "key", "value"), args, strict=False)) | kwargs
            return _Fused.apply(named["query"], named["key"], named["value"])
        if func is torch.nonzero:  # of a mask: nothing is known to be masked
            return args[0].new_empty((args[0].numel(), args[0].ndim), dtype=torch.int64)
        return func(*args, **kwargs)


def _block_lists(transformer: nn.Module) -> Iterator[nn.ModuleList]:
    """The lists of equal blocks that recomputation takes one by one: those the transformer itself holds."""
    for child in transformer.children():
        if isinstance(child, nn.ModuleList):
            yield child


@dataclass(frozen=True)
class MemoryNeed:
    """Of one way to train, in bytes.

    Attributes:
        weights, training: of the transformer; of gradients, optimiser state, adapters and the average.
        activations: at the worst moment.
    """

    method: str
    base: str
    checkpointing: str
    weights: float
    training: float
    activations: float

    @property
    def total(self) -> float:
        """Everything, the runtime's own share among it."""
        return self.weights + self.training + self.activations + _OVERHEAD

    @property
    def smallest_card(self) -> int | None:
        """GiB of the smallest card that holds it; None where none does."""
        return next((size for size in CARD_SIZES if self.total <= _RESERVE * size * GIBIBYTE), None)

    def to_dict(self) -> dict[str, Any]:
        """For JSON, in GiB."""
        parts = {"weights": self.weights, "training": self.training, "activations": self.activations}
        return {
            "method": self.method,
            "base": self.base,
            "checkpointing": self.checkpointing,
            **{f"{name}_gibibytes": round(value / GIBIBYTE, 2) for name, value in parts.items()},
            "total_gibibytes": round(self.total / GIBIBYTE, 2),
            "smallest_card_gibibytes": self.smallest_card,
            "source": "computed",
        }


def memory_needs(family: GeneratorFamily, *, noisy: torch.Tensor, adapter_weights: int) -> list[MemoryNeed]:
    """Every way to train, computed.

    Args:
        family: its transformer on the meta device in bfloat16, an adapter in it.
        noisy: latents of a batch on the meta device, `(batch, frames, channels, height, width)`.
        adapter_weights: how many the adapter has.
    """
    transformer = family.pipeline.transformer
    conditions = meta_conditions(family, noisy)
    timestep = torch.full((len(noisy),), 0.5, device=noisy.device)
    own = sum(weight.numel() for name, weight in transformer.named_parameters() if "lora_" not in name)

    def count(*, whole: bool) -> KeptActivations:
        with _trainable(transformer, whole=whole):
            return kept_activations(transformer, lambda: family.denoise(transformer, noisy, timestep, conditions))

    needs = []
    lora, full = count(whole=False), count(whole=True)
    for base in ("bfloat16", "fp8", "nf4"):
        for checkpointing in _CHECKPOINTING:
            # 16 bytes of each: the weight, its gradient and two moments, all float32.
            weights, training = own * _BYTES_OF[base], 16.0 * adapter_weights
            needs.append(MemoryNeed("adapter", base, checkpointing, weights, training, lora.peak(checkpointing)))
    # One block's weights at a time are on the device (`training.offload_blocks`).
    of_blocks = [sum(w.numel() for w in block.parameters()) for blocks in _block_lists(transformer) for block in blocks]
    there = own - sum(of_blocks) + max(of_blocks, default=0)
    for checkpointing in _CHECKPOINTING[1:]:
        weights, training = there * _BYTES_OF["bfloat16"], 16.0 * adapter_weights
        base = "bfloat16, blocks on the CPU"
        needs.append(MemoryNeed("adapter", base, checkpointing, weights, training, lora.peak(checkpointing)))
    for optimizer, state in (("adamw", 8.0), ("adamw_8bit", 2.0)):
        for checkpointing in _CHECKPOINTING:
            method = "full" if optimizer == "adamw" else "full, 8-bit optimiser"
            # Beside the weights: gradients, moments, and the average.
            training = own * (4.0 + state + 4.0)
            # Autocast keeps a copy of each weight in 16 bits.
            weights = own * (_BYTES_OF["float32"] + _BYTES_OF["bfloat16"])
            needs.append(MemoryNeed(method, "float32", checkpointing, weights, training, full.peak(checkpointing)))
    return needs


@contextmanager
def _trainable(transformer: nn.Module, *, whole: bool) -> Iterator[None]:
    before = {name: weight.requires_grad for name, weight in transformer.named_parameters()}
    for name, weight in transformer.named_parameters():
        weight.requires_grad_(whole or "lora_" in name)
    try:
        yield
    finally:
        for name, weight in transformer.named_parameters():
            weight.requires_grad_(before[name])


def meta_conditions(family: GeneratorFamily, noisy: torch.Tensor) -> dict[str, torch.Tensor]:
    """What `encode_prompts` and `encode_first_frames` would give for a batch, by their shapes alone."""
    config, batch = family.transformer_config, len(noisy)

    def blank(*shape: int) -> torch.Tensor:
        return torch.zeros(batch, *shape, device=noisy.device, dtype=torch.bfloat16)

    width = next(
        config[name] for name in ("text_dim", "caption_channels", "text_embed_dim") if config.get(name) is not None
    )
    tokens = family.prompt_tokens
    found = {
        "encoder_hidden_states": blank(tokens, width),
        "attention_mask": torch.ones(batch, tokens, device=noisy.device, dtype=torch.int64),
    }
    if config.get("pooled_projection_dim") is not None:
        found["pooled_text_embeddings"] = blank(config["pooled_projection_dim"])
    if family.takes_first_frame:
        further = config["in_channels"] - config["out_channels"]
        found["condition_latents"] = blank(noisy.shape[1], further, *noisy.shape[3:])
        if config.get("image_dim") is not None:
            found["image_embeddings"] = blank(257, config["image_dim"])
    if family.takes_control:
        further = config.get("vace_in_channels") or config["in_channels"] - config["out_channels"]
        found["control_latents"] = blank(noisy.shape[1], further, *noisy.shape[3:])
    return found
