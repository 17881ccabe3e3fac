"""The trainer of models that compute their loss from a batch and its labels."""

from collections.abc import Callable
from typing import Any

import torch
from torch import nn
from torch.nn import functional as F
from torch.utils.data import DataLoader, Dataset

from heygen_hf.training.base_trainer import BaseTrainer
from heygen_hf.training.supervised_arguments import SupervisedTrainingArguments


class SupervisedTrainer(BaseTrainer):
    """Trains any model whose `forward(**batch).loss` is what to minimise: classifiers, language models, fusion heads.

    Everything of [`BaseTrainer`]; evaluation is `Trainer`'s, with its `compute_metrics`. Dropout draws from the global
    generators, so a resumed run goes on exactly, and another number of processes changes what is dropped.

    Args:
        model: the model, or a peft model around it.
        args: `SupervisedTrainingArguments`.
        eval_collator: from items to a batch in evaluation, where it is another than `data_collator`.
        count_tokens: tokens of a batch, for the log; by default those of `attention_mask`, or none.
        others: as for `Trainer`.
    """

    args: SupervisedTrainingArguments

    def __init__(
        self,
        model: nn.Module,
        args: SupervisedTrainingArguments,
        *,
        eval_collator: Callable[[list[Any]], dict[str, torch.Tensor]] | None = None,
        count_tokens: Callable[[dict[str, torch.Tensor]], int] | None = None,
        **options: Any,
    ) -> None:
        self._eval_collator = eval_collator
        self._tokens_of = count_tokens or _tokens_of_mask
        super().__init__(model, args, **options)
        # Trainer's smoother would also smooth the validation loss.
        self._smoothing, self.label_smoother = args.label_smoothing_factor, None
        inner = model.get_base_model() if hasattr(model, "get_base_model") else model
        self._shifts = type(inner).__name__.endswith(("ForCausalLM", "LMHeadModel"))
        if (
            self._smoothing
            and getattr(model, "active_peft_config", None)
            and model.active_peft_config.is_prompt_learning
        ):
            raise ValueError(
                f"label_smoothing_factor={self._smoothing} does not go with prefix tuning, whose model makes its own "
                "labels for the prefix; set training.label_smoothing_factor=0."
            )

    def compute_loss(
        self,
        model: nn.Module,
        inputs: dict[str, Any],
        return_outputs: bool = False,
        num_items_in_batch: torch.Tensor | int | None = None,
    ) -> Any:
        if model.training:
            samples = next(value.shape[0] for value in inputs.values() if isinstance(value, torch.Tensor))
            self.throughput.add(samples=samples, tokens=self._tokens_of(inputs))
            if self._smoothing:
                loss, outputs = self._smoothed_loss(model, inputs, num_items_in_batch)
                return (loss, outputs) if return_outputs else loss
        return super().compute_loss(model, inputs, return_outputs, num_items_in_batch)

    def _smoothed_loss(
        self, model: nn.Module, inputs: dict[str, Any], num_items: torch.Tensor | int | None
    ) -> tuple[torch.Tensor, Any]:
        """Cross-entropy with `args.label_smoothing_factor`; Trainer's own knows by name which models shift labels."""
        labels = inputs.get("labels")
        outputs = model(**{name: value for name, value in inputs.items() if name != "labels"})
        logits = getattr(outputs, "logits", None)
        fits = labels is not None and logits is not None and labels.ndim == logits.ndim - 1
        if not fits or labels.is_floating_point():
            shapes = [None if value is None else tuple(value.shape) for value in (labels, logits)]
            raise ValueError(
                f"label_smoothing_factor is for one class a place, and here labels are {shapes[0]} and logits "
                f"{shapes[1]}; set it to 0 (the multimodal classifiers have model.label_smoothing)."
            )
        if self._shifts:
            logits, labels = logits[:, :-1], labels[:, 1:]
        logits, labels = logits.flatten(0, -2).float(), labels.flatten()
        whole = num_items is not None and self.model_accepts_loss_kwargs
        loss = F.cross_entropy(
            logits,
            labels,
            label_smoothing=self._smoothing,
            reduction="sum" if whole else "mean",
        )
        if not whole:
            return loss, outputs
        # DDP averages the processes' gradients, and each has divided by the targets of all of them.
        processes = self.accelerator.num_processes if self.args.average_tokens_across_devices else 1
        return loss / num_items * processes, outputs

    def get_eval_dataloader(self, eval_dataset: Dataset | str | None = None) -> DataLoader:
        if self._eval_collator is None:
            return super().get_eval_dataloader(eval_dataset)
        in_training, self.data_collator = self.data_collator, self._eval_collator
        try:
            return super().get_eval_dataloader(eval_dataset)
        finally:
            self.data_collator = in_training


def _tokens_of_mask(inputs: dict[str, torch.Tensor]) -> int:
    """All places of the mask, padding too (the share of it is logged beside): a sum on a GPU would wait for it."""
    mask = inputs.get("attention_mask")
    return 0 if mask is None else mask.numel()
