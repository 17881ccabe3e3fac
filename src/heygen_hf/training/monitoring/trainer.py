"""`CheckpointingTrainer` that says how the run fares, and stops where a loss is no number."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import torch
from accelerate.utils import gather_object
from torch import nn
from transformers import PrinterCallback, ProgressCallback
from transformers.utils import logging as transformers_logging

from heygen_hf.data.loading import take_problems
from heygen_hf.training.checkpoints.files import newest_checkpoint
from heygen_hf.training.checkpoints.random_state import random_state
from heygen_hf.training.checkpoints.trainer import CheckpointingTrainer
from heygen_hf.training.monitoring.arguments import MonitoringArguments
from heygen_hf.training.monitoring.batch_names import names_of_step
from heygen_hf.training.monitoring.figures import all_processes_figures
from heygen_hf.training.monitoring.finiteness import FiniteCheck, NonFinite, NonFiniteError, weights_are_finite
from heygen_hf.training.monitoring.flop_count import FlopMeter
from heygen_hf.training.monitoring.histograms import Histograms
from heygen_hf.training.monitoring.loss_parts import LossParts
from heygen_hf.training.monitoring.matmul_peak import matmul_peak_flops
from heygen_hf.training.monitoring.nonfinite_layers import FirstNonFinite
from heygen_hf.training.monitoring.peak_memory import peak_memory_bytes
from heygen_hf.training.monitoring.terminal_table import table_callback
from heygen_hf.training.monitoring.throughput import ThroughputMeter
from heygen_hf.training.monitoring.trackers import RunTensorBoard, in_run_folder

_MOST_NAMES = 8


class MonitoredTrainer(CheckpointingTrainer):
    """Figures beside every logged loss, and a stop with a remedy where loss or gradient is no number.

    Nothing here changes what is trained: nothing draws from a random state, and a GPU is waited for only where
    something is logged, evaluated or saved anyway.

    Attributes:
        replaced_clips: `{file_name: reason}` of clips that could not be read while training; others took their places.
        throughput: counts samples, tokens and time of this process.
        loss_parts: what subclasses add the parts of their losses to; logged as means, and kept in checkpoints.
        flop_meter: counts the operations of the model and of what is `also_counted`.
        also_counted: other networks that take part in a step; set by subclasses.
        can_be_resumed: whether to say how to go on where the run stops; not where nothing is saved.
    """

    args: MonitoringArguments
    can_be_resumed = True

    def __init__(self, model: nn.Module, args: MonitoringArguments, **options: Any) -> None:
        self.throughput = ThroughputMeter()
        self.loss_parts = LossParts()
        self.flop_meter = FlopMeter()
        self.also_counted: list[nn.Module] = []
        self.replaced_clips: dict[str, str] = {}
        self._peak_flops: float | None = None
        self._first_nonfinite: FirstNonFinite | None = None
        self._flops_per_token: int | None = None
        self._said_no_flops = self._clock_runs = False
        super().__init__(model=model, args=args, **options)
        self._finite = FiniteCheck(self.accelerator, waits=args.find_nonfinite)
        self._replace_callbacks()

    def _replace_callbacks(self) -> None:
        """Our table in place of Trainer's dictionaries; trackers that write into the run's folder."""
        handler = self.callback_handler
        usual = (PrinterCallback, ProgressCallback)
        has_table = any(type(callback) in usual for callback in handler.callbacks)
        handler.callbacks = [
            in_run_folder(callback, self.args.run_folder)
            for callback in handler.callbacks
            if type(callback) not in usual
        ]
        if has_table:
            self.add_callback(table_callback(with_bar=not self.args.disable_tqdm))
        if self.args.histogram_steps:
            path = self.args.run_folder / "histograms.jsonl"
            self.add_callback(Histograms(path, tensorboard=self._tensorboard))

    def _tensorboard(self) -> RunTensorBoard | None:
        return next((found for found in self.callback_handler.callbacks if isinstance(found, RunTensorBoard)), None)

    # A step.

    def _inner_training_loop(self, *args: Any, **kwargs: Any) -> Any:
        # Here the model is known, and neither wrapped nor sharded yet.
        for counted in (self.model, *self.also_counted):
            self.flop_meter.watch(counted)
        if self.args.find_nonfinite:
            self._first_nonfinite = FirstNonFinite(self.model)
        self._peak_flops = self._peak_flops or self._measure_peak()
        self._clock_runs = False
        try:
            output = super()._inner_training_loop(*args, **kwargs)
            self._stop_at(self._finite.settle())
        finally:
            self.flop_meter.close()
            if self._first_nonfinite is not None:
                self._first_nonfinite.close()
        return output

    def _measure_peak(self) -> float | None:
        dtype = torch.bfloat16 if self.args.bf16 else torch.float16 if self.args.fp16 else torch.float32
        try:
            return matmul_peak_flops(self.args.device, dtype)
        except (RuntimeError, NotImplementedError):  # a precision or generator that the device does not know
            return None

    def training_step(self, *args: Any, **kwargs: Any) -> torch.Tensor:
        with self.flop_meter.listening():
            loss = super().training_step(*args, **kwargs)
        self._finite.note_loss(loss)
        return loss

    def _get_grad_norm(self, model: nn.Module, grad_norm: Any = None) -> Any:
        norm = super()._get_grad_norm(model, grad_norm)
        self._stop_at(self._finite.check(self.state.global_step + 1, norm))
        if self._first_nonfinite is not None:
            self._first_nonfinite.forget()
        return norm

    def get_batch_samples(self, *args: Any, **kwargs: Any) -> Any:
        if not self._clock_runs:  # what came before was setting up
            self._clock_runs = True
            self.throughput.reset()
        with self.throughput.waiting():
            batches, num_items = super().get_batch_samples(*args, **kwargs)
        for batch in batches:
            self._report_replaced(take_problems(batch))
            self._count_padding(batch)
        if self._loader is not None:
            self._report_replaced(list(self._loader.problems.items()))
        return batches, num_items

    def floating_point_ops(self, inputs: dict[str, Any]) -> int:
        """Trainer's estimate, for its state; without counting the model's weights anew for each batch."""
        if not hasattr(self.model, "estimate_tokens"):
            return super().floating_point_ops(inputs)
        tokens = self.model.estimate_tokens(inputs)
        if self._flops_per_token is None and tokens:
            self._flops_per_token = super().floating_point_ops(inputs) // tokens
        return tokens * (self._flops_per_token or 0)

    def _count_padding(self, batch: dict[str, Any]) -> None:
        for name in ("attention_mask", "encoder_attention_mask"):
            mask = batch.get(name)
            if mask is not None and mask.device.type == "cpu":  # a sum on a GPU would wait for it
                self.throughput.add_padding(mask.numel() - int(mask.count_nonzero()))

    def _report_replaced(self, problems: list[tuple[str, str]]) -> None:
        """Name each clip that could not be read, once, when another takes its place."""
        for name, reason in problems:
            if name not in self.replaced_clips:
                self.replaced_clips[name] = reason
                print(f"warning: {name!r} cannot be read any more and another clip takes its place: {reason}")

    # A loss that is no number.

    def _stop_at(self, found: NonFinite | None) -> None:
        """Stop the run, on all processes alike: each of them has found the same."""
        if found is None:
            return
        names = self._names_of_step(found.step)
        layer = None if self._first_nonfinite is None else self._first_nonfinite.describe()
        by_process = gather_object([(names, layer)])
        names = [name for process in found.processes for name in by_process[process][0]]
        layer = next((by_process[process][1] for process in found.processes if by_process[process][1]), None)
        where = ""
        if len(by_process) > 1:
            where = f" (process {', '.join(map(str, found.processes))} of {len(by_process)})"
        if layer is None and self.args.find_nonfinite:
            layer = "every layer's own values are finite and only their norm is not: the gradients are too large"
        message = (
            f"the {found.what} is {found.value} at step {found.step}{where}"
            f"{f', where {layer}' if layer else ''}; its batch: {_listed(names)}. {self._last_good()}Look at those "
            f"samples, lower training.learning_rate or set training.precision=fp32{self._how_to_go_on()}"
            f"{'' if self.args.find_nonfinite else '; training.find_nonfinite=true names the layer'}."
        )
        raise NonFiniteError(message, found=found, layer=layer)

    def _names_of_step(self, step: int) -> list[str]:
        """Of this process's samples; steps count from 1."""
        return names_of_step(
            self._loader, steps_done=step - 1, accumulation_steps=self.args.gradient_accumulation_steps
        )

    def _last_good(self) -> str:
        if not self.can_be_resumed:
            return ""
        checkpoint = self._newest_checkpoint()
        return f"The last good checkpoint is {checkpoint}. " if checkpoint else "No checkpoint has been saved yet. "

    def _how_to_go_on(self) -> str:
        if not self.can_be_resumed:
            return ""
        return ", and go on with --resume auto" if self._newest_checkpoint() else ", and start again"

    def _newest_checkpoint(self) -> Path | None:
        checkpoint, _ = newest_checkpoint(Path(self.args.output_dir))
        return checkpoint

    def _save_checkpoint(self, model: nn.Module, trial: Any) -> None:
        self._stop_at(self._finite.settle())
        if not weights_are_finite(self.model, self.accelerator):
            raise ValueError(
                f"the weights are no numbers after step {self.state.global_step} and are not saved. "
                f"{self._last_good()}Lower training.learning_rate{self._how_to_go_on()}."
            )
        with _no_progress_bars():
            super()._save_checkpoint(model, trial)

    def _maybe_log_save_evaluate(self, *args: Any, **kwargs: Any) -> None:
        if self.control.should_log or self.control.should_evaluate or self.control.should_save:
            self._stop_at(self._finite.settle())
        super()._maybe_log_save_evaluate(*args, **kwargs)

    def evaluate(self, *args: Any, **kwargs: Any) -> dict[str, float]:
        # A loader draws a seed from the global random state, and a metric may draw more: dropout must not notice.
        restore = random_state()
        try:
            return super().evaluate(*args, **kwargs)
        finally:
            restore()

    # Log.

    def log(self, logs: dict[str, float], start_time: float | None = None) -> None:
        if "loss" in logs:
            done = self.throughput.read()
            with self.throughput.paused():
                logs.update(self.loss_parts.read(self.accelerator))
                logs.update(self._figures(done))
            self._leave_out_skipped(logs)
        super().log(logs, start_time)

    def _figures(self, done: Any) -> dict[str, float]:
        flops = self.flop_meter.read()
        if self.flop_meter.problem is not None and not self._said_no_flops:
            self._said_no_flops = True
            if self.is_world_process_zero():
                print(f"note: {self.flop_meter.problem}: flops_per_second and mfu are left out of the log.")
        return all_processes_figures(
            self.accelerator,
            done,
            flops=flops,
            peak_flops=self._peak_flops,
            peak_memory_bytes=peak_memory_bytes(self.args.device),
        )

    def _leave_out_skipped(self, logs: dict[str, float]) -> None:
        """With an fp16 scaler a skipped step's gradient norm is infinite, which JSON cannot hold."""
        scaler = self.accelerator.scaler
        if scaler is not None:
            logs["loss_scale"] = scaler.get_scale()
            if not -float("inf") < logs.get("grad_norm", 0.0) < float("inf"):
                del logs["grad_norm"]

    def sums_since_logged(self) -> dict[str, list[float]]:
        return {**super().sums_since_logged(), **self.loss_parts.state_dict()}

    def restore_sums(self, sums: dict[str, list[float]]) -> None:
        super().restore_sums(sums)
        self.loss_parts.load_state_dict(sums)


@contextmanager
def _no_progress_bars() -> Iterator[None]:
    """A checkpoint needs no bar of its own between the lines of the table."""
    were_on = transformers_logging.is_progress_bar_enabled()
    transformers_logging.disable_progress_bar()
    try:
        yield
    finally:
        if were_on:
            transformers_logging.enable_progress_bar()


def _listed(names: list[str]) -> str:
    shown = ", ".join(names[:_MOST_NAMES]) or "unknown"
    return f"{shown} and {len(names) - _MOST_NAMES} more" if len(names) > _MOST_NAMES else shown
