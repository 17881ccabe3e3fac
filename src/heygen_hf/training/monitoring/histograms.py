"""Histograms of activations and gradients, block by block, now and then."""

import json
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import torch
from torch import nn
from torch.utils._pytree import tree_flatten
from transformers import TrainerCallback, TrainerControl, TrainerState, TrainingArguments
from transformers.integrations import TensorBoardCallback

_NUM_BINS = 32
_MOST_VALUES = 2**18  # of a tensor, evenly spread over it


class Histograms(TrainerCallback):
    """Every `args.histogram_steps` optimiser steps, one line in `RUN/histograms.jsonl` for each block and kind.

    A line is `{"step", "kind", "block", "mean", "std", "max", "edges", "counts"}`: kind "activation" is what the block
    gave in the step's first micro-batch, "gradient" that of its weights as the optimiser gets it (clipped). `max` is of
    absolute values, `edges` has one value more than `counts`, and both are of at most 2^18 values of a tensor. With
    TensorBoard they are there too. Of several processes the first one's batch and share of the weights are shown.
    Nothing of the computation changes: values are read where they are, compiled blocks stay compiled.

    Args:
        path: the file.
        tensorboard: gives the callback that writes events, where there is one.
    """

    def __init__(self, path: str | Path, *, tensorboard: Callable[[], TensorBoardCallback | None]) -> None:
        self.path = Path(path)
        self._tensorboard = tensorboard
        self._watched: list[tuple[nn.Module, Any]] = []
        self._lines: list[dict[str, Any]] = []

    def on_train_begin(
        self, args: TrainingArguments, state: TrainerState, control: TrainerControl, **kwargs: Any
    ) -> None:
        """Lines of steps after the checkpoint are dropped: they will be written again."""
        if not state.is_world_process_zero:
            return
        self.path.parent.mkdir(parents=True, exist_ok=True)
        lines = self.path.read_text().splitlines(keepends=True) if self.path.exists() and state.global_step else []
        # Beside and renamed, under a name that the next start writes again: a kill leaves the file as it was.
        beside = self.path.with_name(f".{self.path.name}.tmp")
        beside.write_text("".join(line for line in lines if _step_of(line) <= state.global_step))
        beside.replace(self.path)

    def on_step_begin(
        self, args: TrainingArguments, state: TrainerState, control: TrainerControl, **kwargs: Any
    ) -> None:
        if state.is_world_process_zero and self._is_due(args, state.global_step + 1):
            for name, block in blocks_of(kwargs["model"]).items():
                self._watch(name, block)

    def on_pre_optimizer_step(
        self, args: TrainingArguments, state: TrainerState, control: TrainerControl, **kwargs: Any
    ) -> None:
        if not (state.is_world_process_zero and self._is_due(args, state.global_step + 1)):
            return
        self._unwatch()
        for name, block in blocks_of(kwargs["model"]).items():
            gradients = [_sampled(weight.grad) for weight in block.parameters() if weight.grad is not None]
            if gradients:
                self._lines.append({"kind": "gradient", "block": name, **histogram(torch.cat(gradients))})

    def on_step_end(self, args: TrainingArguments, state: TrainerState, control: TrainerControl, **kwargs: Any) -> None:
        lines, self._lines = self._lines, []
        if not lines:
            return
        with self.path.open("a") as file:
            file.writelines(json.dumps({"step": state.global_step, **line}) + "\n" for line in lines)
        callback = self._tensorboard()
        if callback is not None and callback.tb_writer is not None:
            for line in lines:
                _write_event(callback.tb_writer, line, state.global_step)

    def on_train_end(
        self, args: TrainingArguments, state: TrainerState, control: TrainerControl, **kwargs: Any
    ) -> None:
        self._unwatch()

    @staticmethod
    def _is_due(args: TrainingArguments, step: int) -> bool:
        every = getattr(args, "histogram_steps", 0)
        return bool(every) and step % every == 0

    def _watch(self, name: str, block: nn.Module) -> None:
        seen = False

        def see(output: Any) -> None:
            nonlocal seen
            if not seen and block.training:  # checkpointed blocks are computed again in the backward pass
                seen = True
                tensors = [leaf for leaf in tree_flatten(output)[0] if isinstance(leaf, torch.Tensor)]
                floats = [_sampled(tensor) for tensor in tensors if tensor.is_floating_point()]
                if floats:
                    self._lines.append({"kind": "activation", "block": name, **histogram(floats[0])})

        compiled = block._compiled_call_impl
        if compiled is None:
            self._watched.append((block, block.register_forward_hook(lambda _block, _inputs, output: see(output))))
            return

        # A hook would have the block compiled anew.
        def call(*args: Any, **kwargs: Any) -> Any:
            output = compiled(*args, **kwargs)
            see(output)
            return output

        block._compiled_call_impl = call
        self._watched.append((block, compiled))

    def _unwatch(self) -> None:
        for block, usual in self._watched:
            if hasattr(usual, "remove"):
                usual.remove()
            else:
                block._compiled_call_impl = usual
        self._watched.clear()


def blocks_of(model: nn.Module) -> dict[str, nn.Module]:
    """The repeated blocks of a model by name; its parts, where it repeats nothing."""
    lists = {name: module for name, module in model.named_modules() if isinstance(module, nn.ModuleList)}
    outermost = {
        name: module
        for name, module in lists.items()
        if not any(name.startswith(f"{other}.") for other in lists if other != name)
    }
    found = {f"{name}.{i}": block for name, blocks in outermost.items() for i, block in enumerate(blocks)}
    found = found or dict(model.named_children()) or {type(model).__name__: model}
    return {name.removeprefix("module."): block for name, block in found.items()}


@torch.no_grad()
def histogram(values: torch.Tensor) -> dict[str, Any]:
    """Mean, deviation, largest absolute value and a histogram of float32 values `(n,)` on the CPU."""
    finite = values[torch.isfinite(values)]
    if not len(finite):
        return {"mean": None, "std": None, "max": None, "edges": [], "counts": []}
    low, high = finite.min().item(), finite.max().item()
    if low == high:
        low, high = low - 0.5, high + 0.5
    counts = torch.histc(finite, bins=_NUM_BINS, min=low, max=high)
    return {
        "mean": _short(finite.mean().item()),
        "std": _short(finite.std(correction=0).item()),
        "max": _short(finite.abs().max().item()),
        "edges": [_short(edge) for edge in torch.linspace(low, high, _NUM_BINS + 1).tolist()],
        "counts": [int(count) for count in counts.tolist()],
    }


@torch.no_grad()
def _sampled(tensor: torch.Tensor) -> torch.Tensor:
    local = tensor.to_local() if hasattr(tensor, "to_local") else tensor
    flat = local.detach().flatten()
    return flat[:: max(-(-len(flat) // _MOST_VALUES), 1)].float().cpu()


def _write_event(writer: Any, line: Mapping[str, Any], step: int) -> None:
    if not line["counts"]:
        return
    number = sum(line["counts"])
    writer.add_histogram_raw(
        f"{line['kind']}/{line['block']}",
        min=line["edges"][0],
        max=line["edges"][-1],
        num=number,
        sum=line["mean"] * number,
        sum_squares=(line["std"] ** 2 + line["mean"] ** 2) * number,
        bucket_limits=line["edges"][1:],
        bucket_counts=line["counts"],
        global_step=step,
    )


def _step_of(line: str) -> float:
    try:
        return json.loads(line)["step"]
    except ValueError:  # cut short by a kill
        return float("inf")


def _short(value: float) -> float:
    return float(f"{value:.5g}")
