"""Which layers of a transformer the names of an adapter's targets stand for."""

from collections.abc import Iterable

from torch import nn


def unmatched_targets(transformer: nn.Module, targets: Iterable[str]) -> list[str]:
    """Those of `targets` that are the end of no linear layer's name, by which PEFT would silently adapt nothing.

    A target is compared by whole parts of a name, as PEFT does: `ffn.net.2` is of `blocks.0.ffn.net.2`, and `net.2`
    too, but `to_q` is not of `blocks.0.into_q`.
    """
    names = [name for name, layer in transformer.named_modules() if isinstance(_plain(layer), nn.Linear)]
    return [target for target in targets if not any(f".{name}".endswith(f".{target}") for name in names)]


def _plain(layer: nn.Module) -> nn.Module:
    """The layer itself, where another adapter is around it."""
    inner = getattr(layer, "base_layer", None)
    return inner if isinstance(inner, nn.Module) else layer
