"""What a task gives to the story that all tasks with a supervised model share."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import torch
from transformers import EvalPrediction, PreTrainedModel

from heygen_hf.data import DataReport
from heygen_hf.hub import MetricResult

Batch = dict[str, torch.Tensor]


@dataclass(kw_only=True)
class TaskParts:
    """Data, model and measures of one run.

    Attributes:
        model_class: of the exported model.
        build_model: fresh weights, or pretrained ones; the story seeds before it calls this.
        train_dataset: map-style; `set_epoch(epoch)` is called where it has one.
        eval_dataset: for the loss and `compute_metrics` while training; None for neither.
        collate: from items to the model's keyword arguments, labels included.
        eval_collate: the same in evaluation, where it differs.
        processors: saved beside the model: tokenizer, video processor, feature extractor.
        measure: the final figures of a model in eval mode, computed in float32.
        compute_metrics, preprocess_logits_for_metrics: as for `Trainer`.
        count_tokens: tokens of a batch, for the log.
        data_name: of the card; of a path its last part.
        reports: split → account of its rows; a plain mapping has `num_used` and `skipped` (a list of `file_name` and
            `reason`) at least.
        num_workers: of the data loader.
        usage: lines of Python for the card that load the run's folder, called `FOLDER` in them, and use it.
        data_note: what else a reader of the card must know about the data.
        pipeline_tag: the Hub's name of what this run does, where it is not that of its task.
    """

    model_class: type[PreTrainedModel]
    build_model: Callable[[], PreTrainedModel]
    train_dataset: Any
    eval_dataset: Any | None
    collate: Callable[[list[Any]], Batch]
    eval_collate: Callable[[list[Any]], Batch] | None = None
    processors: Sequence[Any] = ()
    measure: Callable[[PreTrainedModel], list[MetricResult]]
    compute_metrics: Callable[[EvalPrediction], dict[str, float]] | None = None
    preprocess_logits_for_metrics: Callable[..., torch.Tensor] | None = None
    count_tokens: Callable[[Batch], int] | None = None
    data_name: str
    reports: Mapping[str, DataReport | Mapping[str, Any]] = field(default_factory=dict)
    num_workers: int = 0
    usage: str = ""
    data_note: str | None = None
    pipeline_tag: str | None = None
