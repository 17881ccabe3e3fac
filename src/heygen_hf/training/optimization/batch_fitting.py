"""`MonitoredTrainer` whose batches go through the model in pieces where memory does not hold them whole."""

import math
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import torch
from accelerate.utils.memory import clear_device_cache, should_reduce_batch_size
from torch import nn

from heygen_hf.training.monitoring.trainer import MonitoredTrainer
from heygen_hf.training.optimization.arguments import OptimizationArguments


@dataclass(frozen=True)
class Piece:
    """Some of a micro-batch's samples: `size` from `first` on, of `whole`."""

    first: int
    size: int
    whole: int


class BatchFittingTrainer(MonitoredTrainer):
    """With `args.auto_find_batch_size`, a batch that memory does not hold is halved until it fits.

    Not `Trainer`'s way, which starts the training again with smaller batches: here an optimiser step keeps its samples,
    their order and their noise, so the loss and the gradient are those of the whole batch but for rounding (of a mean
    over tokens or pairs, as with gradient accumulation: the mean over the pieces' means). Nothing starts again; a
    larger size of clips that comes late is met the same way. The samples that fit are `samples_at_a_time` in the log
    and `train_batch_size` in the checkpoint's `trainer_state.json`, with which a resumed run goes on.
    """

    args: OptimizationArguments
    _largest_batch_size: int
    _micro_step: int
    _piece: Piece | None = None
    _pieces_of_batch = 1

    def __init__(self, model: nn.Module, args: OptimizationArguments, **options: Any) -> None:
        self._earlier: list[tuple[Any, ...]] = []  # micro-batches of this step that are through the model
        self._has_begun = False
        super().__init__(model, args, **options)
        if args.auto_find_batch_size and self.accelerator.num_processes > 1:  # type: ignore[attr-defined]
            raise ValueError(
                f"auto_find_batch_size=True is for one process, and here are {self.accelerator.num_processes}: the "
                "others would wait for the one that ran out of memory. Find a size on one, and give it as "
                "per_device_train_batch_size with gradient_accumulation_steps."
            )

    def _update_auto_batch_size(self, batch_size: int) -> None:
        if self._has_begun:
            raise ValueError(
                "memory ran out outside of the model's passes (optimiser, average, evaluation), where a smaller batch "
                "does not help: try training.optimizer=adamw_8bit, a smaller model, or another device."
            )
        self._has_begun = True
        super()._update_auto_batch_size(self.args.train_batch_size)  # type: ignore[attr-defined]

    def train(self, *args: Any, **kwargs: Any) -> Any:
        self._has_begun, self._earlier = False, []
        return super().train(*args, **kwargs)

    def _init_training_state(self, *args: Any) -> tuple[int, int]:
        place = super()._init_training_state(*args)
        if self.args.auto_find_batch_size:  # type: ignore[attr-defined]
            *_, resume_from_checkpoint, _ = args
            found = self.state.train_batch_size if resume_from_checkpoint is not None else None
            self._take_at_a_time(found or self._largest_batch_size)
        return place

    def _take_at_a_time(self, samples: int) -> None:
        """Of the largest batch; a batch of fewer (larger) clips is cut into as many pieces."""
        self._pieces_of_batch = math.ceil(self._largest_batch_size / samples)
        self.state.train_batch_size = math.ceil(self._largest_batch_size / self._pieces_of_batch)

    def training_step(self, model: nn.Module, inputs: dict[str, Any], num_items_in_batch: Any = None) -> torch.Tensor:
        if not self.args.auto_find_batch_size:  # type: ignore[attr-defined]
            return super().training_step(model, inputs, num_items_in_batch)
        batch = (inputs, num_items_in_batch)
        to_do = [batch]
        while True:
            try:
                for one in to_do:
                    loss = self._step_in_pieces(model, *one, micro_step=len(self._earlier))
                    self._earlier.append(one)
                break
            except RuntimeError as error:
                if not (isinstance(error, torch.OutOfMemoryError) or should_reduce_batch_size(error)):
                    raise
                self._halve(error)
            # Behind the `except`, whose error holds on to the memory of the failed pass. Gradients of a part of the
            # step cannot be told from those of the rest, so all of it is done again.
            to_do, self._earlier = [*self._earlier, batch], []
            model.zero_grad()
            clear_device_cache(garbage_collection=True)
        if len(self._earlier) == self.current_gradient_accumulation_steps:
            self._earlier = []
        return loss

    def _halve(self, error: RuntimeError) -> None:
        if self._pieces_of_batch >= self._largest_batch_size:
            raise ValueError(
                "memory does not hold the training of a single sample: set training.gradient_checkpointing=true or "
                f"precision=bf16, or take smaller clips or a smaller model ({str(error).splitlines()[0]})"
            ) from error
        self._take_at_a_time(math.ceil(self._largest_batch_size / (2 * self._pieces_of_batch)))
        size = self.state.train_batch_size
        self.log({"samples_at_a_time": size})
        print(
            f"memory does not hold a batch of {self._largest_batch_size}: it goes through the model {size} samples at "
            "a time; the optimiser's step stays that of the whole batch"
        )

    def _step_in_pieces(self, model: nn.Module, inputs: dict[str, Any], num_items: Any, *, micro_step: int) -> Any:
        whole = next(len(value) for value in inputs.values() if isinstance(value, torch.Tensor) and value.ndim)
        accumulation, losses = self.current_gradient_accumulation_steps, []
        try:
            for piece in _cut(whole, pieces=self._pieces_of_batch):
                self._piece, self._micro_step = piece, micro_step
                # Trainer divides a mean by this; a sum over all items of the step it leaves as it is.
                self.current_gradient_accumulation_steps = accumulation * whole / piece.size
                losses.append(super().training_step(model, _samples(inputs, piece), num_items))
        finally:
            self._piece, self.current_gradient_accumulation_steps = None, accumulation
        return torch.stack(losses).sum() if len(losses) > 1 else losses[0]


def _cut(whole: int, *, pieces: int) -> Iterator[Piece]:
    size = math.ceil(whole / pieces)
    return (Piece(first, min(size, whole - first), whole) for first in range(0, whole, size))


def _samples(inputs: dict[str, Any], piece: Piece) -> dict[str, Any]:
    """What has an entry for each sample, cut; the rest as it is. A copy in any case: a step may change its inputs."""
    if piece.size == piece.whole:
        return dict(inputs)
    span = slice(piece.first, piece.first + piece.size)
    return {
        name: value[span] if isinstance(value, torch.Tensor | list | tuple) and _length(value) == piece.whole else value
        for name, value in inputs.items()
    }


def _length(value: Any) -> int | None:
    return None if isinstance(value, torch.Tensor) and value.ndim == 0 else len(value)
