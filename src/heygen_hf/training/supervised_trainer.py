"""The trainer of models that compute their loss from a batch and its labels."""

from collections.abc import Callable
from typing import Any

import torch
from torch import nn
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

    def compute_loss(self, model: nn.Module, inputs: dict[str, Any], *args: Any, **kwargs: Any) -> Any:
        if model.training:
            samples = next(value.shape[0] for value in inputs.values() if isinstance(value, torch.Tensor))
            processes = self.accelerator.num_processes
            self.throughput.add(samples=samples * processes, tokens=self._tokens_of(inputs) * processes)
        return super().compute_loss(model, inputs, *args, **kwargs)

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
