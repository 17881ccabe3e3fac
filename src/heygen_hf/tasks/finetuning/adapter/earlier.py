"""Adapters that were trained before and stay as they are, while another learns beside them."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import torch
from peft import LoraConfig, set_peft_model_state_dict
from peft.tuners.lora import LoraLayer
from torch import nn

from heygen_hf.data.sources import is_missing_locally
from heygen_hf.models.pretrained_generators import GeneratorFamily
from heygen_hf.training.parallel.sharding import local

_EARLIER = "earlier_"


def load_earlier_adapters(family: GeneratorFamily, names: list[str]) -> None:
    """Put adapters in diffusers' format into the transformer, beside which another is added later.

    Args:
        names: folders or Hub names.

    Raises:
        ValueError: one is not there, does not fit, or is no LoRA.
    """
    transformer = family.pipeline.transformer
    for number, name in enumerate(names):
        if is_missing_locally(name):
            raise ValueError(f"peft.previous: no folder {name}; name the folder of a finished run, or of its adapter")
        try:
            family.pipeline.load_lora_weights(name, adapter_name=f"{_EARLIER}{number}")
            config = transformer.peft_config[f"{_EARLIER}{number}"]
        except (OSError, ValueError, KeyError, RuntimeError, AttributeError) as error:
            first_line = (str(error).strip() or type(error).__name__).splitlines()[0]
            raise ValueError(f"peft.previous: {name} is no adapter of this model ({first_line})") from error
        if config.use_dora:
            raise ValueError(
                f"peft.previous: {name} is a DoRA, whose magnitudes belong to one adapter alone: merge it into its "
                "base (peft.merge=true in its recipe), and fine-tune that"
            )
        transformer.peft_config[f"{_EARLIER}{number}"].inference_mode = True


def activate_beside_earlier(transformer: Any, adapter: str) -> None:
    """Let the transformer compute with the earlier adapters and with this one, which alone has gradients."""
    names = [*earlier_names(transformer), adapter]
    for layer in _adapted(transformer).values():
        layer.set_adapter(names)
    for name, weight in transformer.named_parameters():
        weight.requires_grad_(f".{adapter}." in name and "lora_" in name)


def earlier_names(transformer: Any) -> list[str]:
    """Of the earlier adapters in it."""
    return [name for name in getattr(transformer, "peft_config", {}) if name.startswith(_EARLIER)]


@contextmanager
def without_adapter(transformer: nn.Module, adapter: str) -> Iterator[None]:
    """Within the context the transformer computes as before this adapter was added: with the earlier ones alone."""
    layers = list(_adapted(transformer).values())
    active = [list(layer.active_adapters) for layer in layers]
    # Not peft's `set_adapter`, which decides anew what has gradients.
    for layer, names in zip(layers, active, strict=True):
        layer._active_adapter = [name for name in names if name != adapter]
    try:
        yield
    finally:
        for layer, names in zip(layers, active, strict=True):
            layer._active_adapter = names


class OrthogonalToEarlier:
    """Keeps an adapter from reading what earlier ones read (O-LoRA, Wang et al. 2023, arXiv:2310.14152).

    The rows of a layer's A matrix span what of its input the adapter sees. O-LoRA adds a penalty for what the new rows
    share with earlier ones; here that part is taken away after every optimiser step, so that there is nothing to weigh
    and none of it is left: the limit of a large penalty.

    Args:
        transformer: with the earlier adapters and the new one.
        adapter: the new one's name.

    Raises:
        ValueError: the earlier ones read all of a layer's input already.
    """

    def __init__(self, transformer: Any, adapter: str) -> None:
        self._adapter = adapter
        self._bases: list[tuple[LoraLayer, torch.Tensor]] = []
        for name, layer in _adapted(transformer).items():
            if adapter not in layer.lora_A:
                continue
            rows = [layer.lora_A[one].weight for one in earlier_names(transformer) if one in layer.lora_A]
            if not rows:
                continue
            inputs = rows[0].shape[1]
            basis = _basis(torch.cat([row.detach() for row in rows]))
            if len(basis) >= inputs:
                raise ValueError(
                    f"peft.previous reads all {inputs} inputs of {name} already, which leaves none for another "
                    "adapter: set peft.orthogonal=false, or merge the earlier ones into the base"
                )
            self._bases.append((layer, basis.float()))

    @torch.no_grad()
    def __call__(self) -> None:
        """Take away what the adapter's rows share with the earlier ones'."""
        for rows, basis in self._rows():
            rows -= (rows @ basis.T) @ basis

    @torch.no_grad()
    def overlap(self) -> float:
        """The largest share, over layers, of the new rows' squared length that lies in the earlier ones' span."""
        shares = [((rows @ basis.T).square().sum() / rows.square().sum()).item() for rows, basis in self._rows()]
        return max(shares, default=0.0)

    def _rows(self) -> Iterator[tuple[torch.Tensor, torch.Tensor]]:
        """The new rows, of sharded weights this process's, and what the earlier ones span."""
        for number, (layer, basis) in enumerate(self._bases):
            rows = local(layer.lora_A[self._adapter].weight)
            if basis.device != rows.device:
                basis = basis.to(rows.device)
                self._bases[number] = (layer, basis)  # to be copied once, and not at every step
            yield rows, basis.to(rows)


def join_adapters(transformer: Any, adapter: str) -> None:
    """Put one adapter in the place of the earlier ones and the new one: the sum of their updates, exactly.

    Its matrices are theirs side by side, so its rank is the sum of theirs; a layer that one of them does not adapt has
    zeros in its place. Rounding aside, the transformer computes what it did.
    """
    names = [*earlier_names(transformer), adapter]
    ranks = {name: _largest_rank(transformer, name) for name in names}
    dtype = next(weight.dtype for weight in transformer.parameters() if weight.requires_grad)
    tensors: dict[str, torch.Tensor] = {}
    for name, layer in _adapted(transformer).items():
        reads, writes = [], []
        for one in names:
            read, write = _matrices(layer, one, ranks[one])
            reads.append(read)
            writes.append(write)
        tensors[f"{name}.lora_A.weight"] = torch.cat(reads).to(dtype)
        tensors[f"{name}.lora_B.weight"] = torch.cat(writes, dim=1).to(dtype)
    rank = sum(ranks.values())
    targets = sorted(_endings(transformer, names))
    transformer.delete_adapters(names)
    for name in names:
        getattr(transformer, "peft_config", {}).pop(name, None)
    transformer.add_adapter(LoraConfig(r=rank, lora_alpha=rank, target_modules=targets), adapter)
    problems = set_peft_model_state_dict(transformer, tensors, adapter)
    assert not problems.unexpected_keys


def _adapted(transformer: nn.Module) -> dict[str, LoraLayer]:
    return {name: layer for name, layer in transformer.named_modules() if isinstance(layer, LoraLayer)}


def _basis(rows: torch.Tensor) -> torch.Tensor:
    """Orthonormal rows of the same span, `(rank, inputs)`."""
    _, lengths, directions = torch.linalg.svd(rows.double(), full_matrices=False)
    return directions[lengths > lengths.max().clamp(min=1e-30) * 1e-7]


def _largest_rank(transformer: nn.Module, adapter: str) -> int:
    return max(layer.r[adapter] for layer in _adapted(transformer).values() if adapter in layer.lora_A)


def _matrices(layer: LoraLayer, adapter: str, rank: int) -> tuple[torch.Tensor, torch.Tensor]:
    """A `(rank, inputs)` and B `(outputs, rank)` with its scale, with zeros where the layer has fewer or none."""
    any_a, any_b = next(iter(layer.lora_A.values())).weight, next(iter(layer.lora_B.values())).weight
    read = torch.zeros(rank, any_a.shape[1], device=any_a.device)
    write = torch.zeros(any_b.shape[0], rank, device=any_b.device)
    if adapter in layer.lora_A:
        own = layer.r[adapter]
        read[:own] = layer.lora_A[adapter].weight.detach().float()
        write[:, :own] = layer.lora_B[adapter].weight.detach().float() * layer.scaling[adapter]
    return read, write


def _endings(transformer: Any, names: list[str]) -> set[str]:
    targets: set[str] = set()
    for name in names:
        of = transformer.peft_config[name].target_modules
        targets |= {of} if isinstance(of, str) else set(of)
    return targets
