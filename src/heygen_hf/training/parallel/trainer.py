"""`Trainer` on sharded weights (FSDP2), with the files of an unsharded run."""

import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import load_file
from torch import nn
from torch.distributed.fsdp import MixedPrecisionPolicy
from transformers import Trainer

from heygen_hf.training.optimization.ema import ExponentialMovingAverage
from heygen_hf.training.parallel.launch import check_deepspeed, sharding_on_cpu
from heygen_hf.training.parallel.optimizer_state import sharded_state, whole_state
from heygen_hf.training.parallel.sharding import drop_gathered, gather, is_sharded, local, part_of
from heygen_hf.training.parallel.whole_model import make_whole


class ParallelTrainer(Trainer):
    """Trains weights that FSDP2 shards as if they were whole.

    Checkpoints are those of an unsharded run, `model.safetensors` and `optimizer.pt`: they load with
    `from_pretrained`, and a run goes on from them under any engine and any number of processes.

    Attributes:
        ema: follows the weights when they are sharded; each process averages its part.
    """

    ema: ExponentialMovingAverage | None

    @property
    def is_sharded(self) -> bool:
        """Whether the processes hold a part of the weights each, now."""
        return self.is_fsdp_enabled and is_sharded(self.model)

    def create_accelerator_and_postprocess(self) -> None:
        with sharding_on_cpu():
            super().create_accelerator_and_postprocess()
        if self.is_deepspeed_enabled:
            check_deepspeed(self.args, stage=self.accelerator.state.deepspeed_plugin.zero_stage)
        if self.is_fsdp_enabled:
            # Accelerate's policy rounds inputs and losses to bfloat16, timesteps among them. Autocast, as without
            # sharding, does not; weights travel in float32 then.
            self.accelerator.state.fsdp_plugin.mixed_precision_policy = MixedPrecisionPolicy()

    def _prepare_for_training(self, max_steps: int, train_dataloader: Any, resume_from_checkpoint: str | None) -> Any:
        if self.is_fsdp_enabled and not is_sharded(self.model):
            for weight in self.model.parameters():  # kernels kept with their channels last cannot be cut
                weight.data = weight.data.contiguous()
            # For autocast around `forward`, which `prepare` leaves out where it shards.
            self.model = self.accelerator.prepare_model(self.model, device_placement=False, evaluation_mode=True)
            self.accelerator._models.remove(self.model)
        with _input_embeddings_or_none(self.model):
            prepared = super()._prepare_for_training(max_steps, train_dataloader, resume_from_checkpoint)
        self._average_what_is_sharded()
        if self.is_deepspeed_enabled and resume_from_checkpoint is not None:
            # DeepSpeed has loaded the weights by itself; this is for what is beside them.
            self._load_from_checkpoint(resume_from_checkpoint)
        return prepared

    def _average_what_is_sharded(self) -> None:
        if self.ema is not None and self.is_sharded:
            self.ema.follow(self.model)

    # Checkpoints.

    def save_model(self, output_dir: str | None = None, _internal_call: bool = False) -> None:
        if not self.is_sharded:
            super().save_model(output_dir, _internal_call)
            return
        weights = gather(self.model.state_dict(keep_vars=True), keep=self.args.should_save)
        self._save(output_dir or self.args.output_dir, state_dict=weights)

    def _save_optimizer_and_scheduler(self, output_dir: str) -> None:
        if not self.is_sharded:
            super()._save_optimizer_and_scheduler(output_dir)
            return
        state = whole_state(self.optimizer.state_dict(), keep=self.args.should_save)
        if self.args.should_save:
            torch.save(state, Path(output_dir) / "optimizer.pt")
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")  # to save the optimiser too, which is done
                torch.save(self.lr_scheduler.state_dict(), Path(output_dir) / "scheduler.pt")

    def _load_from_checkpoint(self, resume_from_checkpoint: str, model: nn.Module | None = None) -> None:
        if self.is_deepspeed_enabled:
            return
        if not self.is_sharded:
            super()._load_from_checkpoint(resume_from_checkpoint, model)
            return
        self._average_what_is_sharded()
        self._load_whole_weights(Path(resume_from_checkpoint))

    def _load_best_model(self) -> None:
        if not self.is_sharded:
            super()._load_best_model()
            return
        self._load_whole_weights(Path(self.state.best_model_checkpoint))

    @torch.no_grad()
    def _load_whole_weights(self, checkpoint: Path) -> None:
        drop_gathered(self.model)
        weights = load_file(checkpoint / "model.safetensors")
        for name, held in self.model.state_dict().items():
            if name in weights:  # of tied weights one is in the file
                local(held).copy_(local(part_of(weights[name], held)))

    def _load_optimizer_and_scheduler(self, checkpoint: str | None) -> None:
        if checkpoint is None or not self.is_sharded:
            super()._load_optimizer_and_scheduler(checkpoint)
            return
        state = torch.load(Path(checkpoint) / "optimizer.pt", map_location="cpu", weights_only=True)
        inner = getattr(self.optimizer, "optimizer", self.optimizer)
        inner.load_state_dict(sharded_state(state, inner))
        self.lr_scheduler.load_state_dict(torch.load(Path(checkpoint) / "scheduler.pt", weights_only=True))

    # The averaged weights, and the model in one process.

    @contextmanager
    def ema_weights(self) -> Iterator[None]:
        """Within the context the model holds the EMA weights (its own when there is no EMA)."""
        if self.ema is None:
            yield
            return
        try:
            with self.ema.applied():
                drop_gathered(self.model)
                yield
        finally:
            drop_gathered(self.model)

    @contextmanager
    def whole_ema_weights(self) -> Iterator[None]:
        """Within the context the main process can call the model by itself: it holds the EMA weights, all of them.

        Every process must enter; the others must not use the model within.
        """
        if not self.is_sharded:
            with self.ema_weights():
                yield
            return
        averages = None if self.ema is None else self.ema.parts
        shard_again = make_whole(self.model, keep=self.is_world_process_zero(), averages=averages)
        try:
            yield
        finally:
            shard_again()

    def end_sharding(self) -> None:
        """Gather model and average on the main process for good; every process must call.

        The main process then has an ordinary model, to export and measure by itself. Nothing happens where nothing is
        sharded.
        """
        if not self.is_sharded:
            return
        keep = self.is_world_process_zero()
        averages = None if self.ema is None else gather(self.ema.parts, keep=keep)
        make_whole(self.model, keep=keep)
        if self.ema is not None and keep:
            self.ema.follow(self.model, averages=averages)


@contextmanager
def _input_embeddings_or_none(model: nn.Module) -> Iterator[None]:
    """Accelerate asks a model that it shards for its input embeddings; one that has none raises."""
    try:
        getattr(model, "get_input_embeddings", lambda: None)()
    except NotImplementedError:
        model.get_input_embeddings = lambda: None  # type: ignore[assignment,method-assign]
        yield
        del model.get_input_embeddings
    else:
        yield
