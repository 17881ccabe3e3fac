"""The floating point operations of training steps, counted once for each shape of batch on a copy without weights."""

import copy
from collections import Counter
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, nullcontext
from typing import Any

import torch
from torch import nn
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_flatten, tree_map
from torch.utils.flop_counter import FlopCounterMode
from torch.utils.hooks import RemovableHandle

_MOST_SHAPES = 16  # counting one takes a tenth of a second or more

Call = tuple[tuple[Any, ...], dict[str, Any]]


class FlopMeter:
    """Counts the products (matrices, convolutions, attention) of the forward and backward passes of watched models.

    What is counted is what the mathematics needs: forward and backward as autograd runs them, which of a model that is
    trained whole is three times its forward, less where weights are frozen. Blocks that gradient checkpointing
    computes again are not counted twice (so `mfu` is model FLOPs utilisation, and falls when they are), nor are
    elementwise operations, the optimiser or a second derivative.

    The model that trains is only listened to (shapes of its inputs, by a hook). The counting happens on a copy on the
    "meta" device, which has shapes and no values: it takes no memory, moves no random state, and neither sees nor
    disturbs what is compiled, sharded or wrapped. Attention is counted as the plain products, whichever kernel runs.
    After `_MOST_SHAPES` shapes further ones are estimated from the nearest counted one.

    Attributes:
        problem: why it cannot count, where it cannot.
    """

    def __init__(self) -> None:
        self.problem: str | None = None
        self._models: dict[int, nn.Module] = {}
        self._weights: dict[int, list[nn.Parameter]] = {}
        self._hooks: list[RemovableHandle] = []
        self._listening = self._listened = False
        self._calls: Counter[tuple[Any, ...]] = Counter()
        self._inputs: dict[tuple[Any, ...], Call] = {}
        self._flops: dict[tuple[Any, ...], float] = {}

    def watch(self, model: nn.Module) -> None:
        """Count a model's passes from now on; call it before the model is wrapped or sharded."""
        if id(model) in self._models or self.problem is not None:
            return
        try:
            # Of a model that is compiled whole the inside alone can be copied.
            self._models[id(model)] = _on_meta(getattr(model, "_orig_mod", model))
        except Exception as error:  # weights that are no plain tensors, modules that cannot be copied
            self._give_up(model, error)
            return
        self._weights[id(model)] = list(model.parameters())
        self._hooks.append(model.register_forward_pre_hook(self._note, with_kwargs=True))

    def close(self) -> None:
        """Watch nothing any more."""
        for hook in self._hooks:
            hook.remove()
        self._hooks.clear()
        self._models.clear()
        self._weights.clear()
        self._calls.clear()
        self._inputs.clear()
        self._flops.clear()

    def __deepcopy__(self, memo: dict[int, Any]) -> "FlopMeter":
        return self  # a copy of a watched model has our hook, and is not to take us along

    @contextmanager
    def listening(self) -> Iterator[None]:
        """Passes within are counted."""
        self._listening = self._listened = True
        try:
            yield
        finally:
            self._listening = False

    def read(self) -> float | None:
        """FLOPs since the last reading; None where they cannot be counted."""
        listened, self._listened = self._listened, False
        if not self._calls:
            if listened and self._hooks and self.problem is None:
                self._say_unseen()
            return None
        total = 0.0
        for key, times in self._calls.items():
            if key not in self._flops and self.problem is None:
                self._flops[key] = self._count(key)
            total += times * self._flops.get(key, 0.0)
        self._calls.clear()
        return None if self.problem is not None else total

    def _note(self, model: nn.Module, args: tuple[Any, ...], kwargs: dict[str, Any]) -> None:
        if not self._listening or torch.compiler.is_compiling() or id(model) not in self._weights:
            return  # the last: a copy of a watched model has its hooks, too
        flags = tuple(weight.requires_grad for weight in self._weights[id(model)])
        shapes = tuple(
            (name, value.shape, value.requires_grad)
            for name, value in (*enumerate(args), *kwargs.items())
            if isinstance(value, torch.Tensor)
        )
        key = (id(model), torch.is_grad_enabled(), flags, shapes)
        self._calls[key] += 1
        if key not in self._inputs:
            self._inputs[key] = tree_map(_shape_of, (args, dict(kwargs)))

    def _count(self, key: tuple[Any, ...]) -> float:
        model_id, with_gradient, flags, _ = key
        model = self._models[model_id]
        if len(self._flops) >= _MOST_SHAPES:
            return self._estimate(key)
        args, kwargs = self._inputs[key]
        counter = FlopCounterMode(display=False)
        # Weights may have been frozen, or set free, since the model was copied.
        for weight, flag in zip(model.parameters(), flags, strict=True):
            weight.requires_grad_(flag and with_gradient)
        try:
            with (
                torch.random.fork_rng(devices=[]),
                torch.set_grad_enabled(with_gradient),
                _as_if_compiled(),
                _NoValues(),
                counter,
            ):
                outputs = model(*args, **kwargs)
                if with_gradient:
                    loss = _scalar_of(outputs)
                    if loss is not None:
                        loss.backward()
        except Exception as error:  # a model that asks for values, an operation without a shape rule
            self._give_up(model, error)
            return 0.0
        finally:
            model.zero_grad(set_to_none=True)
        return float(counter.get_total_flops())

    def _estimate(self, key: tuple[Any, ...]) -> float:
        """In proportion to the size of the inputs of the counted shape that is nearest in size."""
        size = _num_values(self._inputs[key])
        alike = [other for other in self._flops if other[:3] == key[:3]]
        if not alike:
            return 0.0
        nearest = min(alike, key=lambda other: abs(_num_values(self._inputs[other]) - size))
        return self._flops[nearest] * size / max(_num_values(self._inputs[nearest]), 1)

    def _say_unseen(self) -> None:
        name = type(next(iter(self._models.values()))).__name__
        self.problem = f"the FLOPs of {name} cannot be counted (its forward is not seen: it is compiled as a whole)"

    def _give_up(self, model: nn.Module, error: Exception) -> None:
        first_line = (str(error).strip() or type(error).__name__).splitlines()[0]
        self.problem = f"the FLOPs of {type(model).__name__} cannot be counted ({first_line})"


class _NoValues(TorchDispatchMode):
    """Tensors without values answer a question for one with False or 0: "is any of them wrong?", "are all real?"."""

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        kwargs = kwargs or {}
        if func is torch.ops.aten._local_scalar_dense.default and args[0].is_meta:
            return False if args[0].dtype == torch.bool else 0
        if func is torch.ops.aten._to_copy.default and args[0].is_meta and _is_cpu(kwargs.get("device")):
            return torch.zeros(args[0].shape, dtype=kwargs.get("dtype") or args[0].dtype)
        return func(*args, **kwargs)


def _is_cpu(device: Any) -> bool:
    return device is not None and torch.device(device).type == "cpu"


@contextmanager
def _as_if_compiled() -> Iterator[None]:
    """Within it models leave out what they do not do where they are compiled: looking at values. And autocast, which
    knows no device without values, leaves them as they are."""
    flag, autocast = torch.compiler._is_compiling_flag, torch.autocast

    def autocast_unless_meta(device_type: str, *args: Any, **kwargs: Any) -> Any:
        return nullcontext() if device_type == "meta" else autocast(device_type, *args, **kwargs)

    torch.compiler._is_compiling_flag, torch.autocast = True, autocast_unless_meta  # type: ignore[assignment,misc]
    try:
        yield
    finally:
        torch.compiler._is_compiling_flag, torch.autocast = flag, autocast  # type: ignore[misc]


def _on_meta(model: nn.Module) -> nn.Module:
    """The model's structure with weights that have no values, without what accelerate put around `forward`."""
    memo: dict[int, Any] = {}
    for weight in model.parameters():
        empty = torch.empty(weight.shape, dtype=weight.dtype, device="meta")
        memo[id(weight)] = nn.Parameter(empty, requires_grad=weight.requires_grad)
    for buffer in model.buffers():
        memo[id(buffer)] = torch.empty(buffer.shape, dtype=buffer.dtype, device="meta")
    for name in ("forward", "_original_forward"):
        if name in model.__dict__:
            memo[id(model.__dict__[name])] = None
    twin = copy.deepcopy(model, memo)
    for name in ("forward", "_original_forward"):
        twin.__dict__.pop(name, None)
    for module in twin.modules():
        # Kernels written for one device have no rule for shapes alone.
        attention = getattr(getattr(module, "config", None), "_attn_implementation", None)
        if isinstance(attention, str) and ("flash" in attention or "flex" in attention):
            module.config._attn_implementation = "sdpa"  # type: ignore[union-attr]
        if getattr(module, "gradient_checkpointing", False) is True:
            module.gradient_checkpointing = False  # type: ignore[assignment]
    return twin.train(model.training)


def _shape_of(value: Any) -> Any:
    if not isinstance(value, torch.Tensor):
        return value
    empty = torch.empty(value.shape, dtype=value.dtype, device="meta")
    return empty.requires_grad_(value.requires_grad)


def _scalar_of(outputs: Any) -> torch.Tensor | None:
    """What to differentiate: the loss, or the sum of everything."""
    loss = getattr(outputs, "loss", None)
    if isinstance(loss, torch.Tensor):
        return loss if loss.requires_grad else None
    leaves = tree_flatten(tuple(outputs.values()) if isinstance(outputs, Mapping) else outputs)[0]
    summed = [leaf.float().sum() for leaf in leaves if isinstance(leaf, torch.Tensor) and leaf.requires_grad]
    return torch.stack(summed).sum() if summed else None


def _num_values(inputs: Call) -> int:
    return sum(leaf.numel() for leaf in tree_flatten(inputs)[0] if isinstance(leaf, torch.Tensor))
