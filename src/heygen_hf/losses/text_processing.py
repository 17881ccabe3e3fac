"""The losses of text models: next token, one class a text, one label a token."""

from collections.abc import Sequence
from typing import Any, Literal, get_args

import torch
from torch.nn import functional as F

from heygen_hf.losses.bad_input import (
    check_choice,
    check_class_ids,
    check_class_weights,
    check_fraction,
    class_weights_for,
)
from heygen_hf.losses.linear_chain_crf import LinearChainCRF
from heygen_hf.losses.loss import Loss, full_precision

TextTask = Literal["language_modeling", "classification", "sequence_labeling"]


class TextProcessingLoss(Loss):
    """Cross-entropy for the three tasks of a text model, or a CRF over the labels of a sequence.

    | input | `language_modeling` | `classification` | `sequence_labeling` |
    |---|---|---|---|
    | `logits` | `(batch, tokens, vocabulary)` | `(batch, classes)` | `(batch, tokens, classes)` |
    | `labels` | `(batch, tokens)` long: the input ids, shifted in here | `(batch,)` long | `(batch, tokens)` long |
    | returns | scalar | scalar | scalar |

    Labels are in [0, classes), or `ignore_index` for what does not count: padding, prompts, sub-words. For
    `language_modeling`, position i predicts the label at i + 1.

    The result is the mean over targets that count, as `torch.nn.functional.cross_entropy` has it; with
    `num_items_in_batch`, their sum divided by it, which makes accumulated gradients equal those of one large batch.
    `Trainer` hands it to a `forward` with `**kwargs`, or of a model with `accepts_loss_kwargs = True`, and counts
    targets as they are after the shift where the model says `loss_type = "ForCausalLM"`.

    Args:
        task: which of the three.
        label_smoothing: share of each target spread over all classes, in [0, 1) (Szegedy et al. 2016).
        ignore_index: a label that does not count.
        class_weights: one weight for each class.
        crf: score whole sequences of labels with `LinearChainCRF` (`self.crf`, parameters to train); needs
            `num_labels`. `sequence_labeling` only.
        num_labels: how many classes there are; checked against the logits where given.
        allowed_transitions, allowed_starts: of the CRF (`bio_transitions` makes them of BIO labels).

    Example:
        >>> loss = TextProcessingLoss(task="language_modeling", label_smoothing=0.1)
        >>> loss(torch.randn(2, 8, 100), torch.randint(0, 100, (2, 8)))
    """

    summary = "cross-entropy over tokens, texts or labels of tokens"
    citation = "label smoothing: Szegedy et al. 2016, arXiv:1512.00567; CRF: Lafferty et al. 2001"

    def __init__(
        self,
        *,
        task: TextTask,
        label_smoothing: float = 0.0,
        ignore_index: int = -100,
        class_weights: Sequence[float] | None = None,
        crf: bool = False,
        num_labels: int | None = None,
        allowed_transitions: Sequence[Sequence[bool]] | None = None,
        allowed_starts: Sequence[bool] | None = None,
    ) -> None:
        super().__init__()
        check_choice("task", task, get_args(TextTask))
        check_fraction("label_smoothing", label_smoothing)
        self.task = task
        self.label_smoothing = label_smoothing
        self.ignore_index = ignore_index
        self.class_weights = check_class_weights(class_weights)
        self.num_labels = num_labels
        self.crf: LinearChainCRF | None = None
        if crf:
            if task != "sequence_labeling":
                raise ValueError(
                    f"crf=True labels sequences, and task={task!r} does not: use task='sequence_labeling'."
                )
            if num_labels is None:
                raise ValueError("crf=True has a score for every pair of labels: give num_labels.")
            if label_smoothing or class_weights:
                raise ValueError("a CRF scores whole sequences: label_smoothing and class_weights do not apply to it.")
            self.crf = LinearChainCRF(
                num_labels,
                allowed_transitions=allowed_transitions,
                allowed_starts=allowed_starts,
                reduction="sum",
            )
        elif allowed_transitions is not None or allowed_starts is not None:
            raise ValueError("allowed_transitions and allowed_starts are the CRF's: set crf=True.")

    def options(self) -> dict[str, Any]:
        return {
            "task": self.task,
            "label_smoothing": self.label_smoothing,
            "ignore_index": self.ignore_index,
            "class_weights": list(self.class_weights) if self.class_weights else None,
            "crf": self.crf is not None,
            "num_labels": self.num_labels,
        }

    def forward(
        self,
        logits: torch.Tensor,
        labels: torch.Tensor,
        *,
        num_items_in_batch: int | torch.Tensor | None = None,
    ) -> torch.Tensor:
        self._check_shapes(logits, labels)
        if self.task == "language_modeling":
            logits, labels = logits[:, :-1], labels[:, 1:]
        num_classes = logits.shape[-1]
        check_class_ids(
            labels,
            num_classes=num_classes,
            ignore_index=self.ignore_index,
            allow_none=num_items_in_batch is not None,  # another micro-batch of this step has the targets
        )
        if isinstance(num_items_in_batch, torch.Tensor):
            num_items_in_batch = num_items_in_batch.to(logits.device)
        if self.crf is not None:
            mask = labels != self.ignore_index
            return self.crf(logits, labels, mask) / (mask.sum() if num_items_in_batch is None else num_items_in_batch)
        logits = full_precision(logits).flatten(0, -2)
        loss = F.cross_entropy(
            logits,
            labels.flatten(),
            weight=class_weights_for(self.class_weights, logits, num_classes),
            ignore_index=self.ignore_index,
            label_smoothing=self.label_smoothing,
            reduction="mean" if num_items_in_batch is None else "sum",
        )
        return loss if num_items_in_batch is None else loss / num_items_in_batch

    def decode(self, logits: torch.Tensor, mask: torch.Tensor | None = None) -> torch.Tensor:
        """The best labels: of each token or text alone, or of the sequence with a CRF.

        Args:
            logits: as in `forward`.
            mask: bool, the shape of the labels, True at what counts; `ignore_index` is returned elsewhere.
        """
        if self.crf is not None:
            return self.crf.decode(logits, mask, fill=self.ignore_index)[0]
        best = logits.argmax(-1)
        return best if mask is None else best.masked_fill(~mask.bool(), self.ignore_index)

    def _check_shapes(self, logits: torch.Tensor, labels: torch.Tensor) -> None:
        expected = 2 if self.task == "classification" else 3
        if logits.ndim != expected or labels.shape != logits.shape[:-1]:
            layout = (
                "(batch, classes) and (batch,)" if expected == 2 else "(batch, tokens, classes) and (batch, tokens)"
            )
            raise ValueError(
                f"logits have shape {tuple(logits.shape)} and labels {tuple(labels.shape)}: "
                f"task={self.task!r} expects {layout}."
            )
        if self.num_labels is not None and logits.shape[-1] != self.num_labels:
            raise ValueError(f"logits have {logits.shape[-1]} classes and num_labels is {self.num_labels}: set one.")
        if self.task == "language_modeling" and labels.shape[1] < 2:
            raise ValueError(f"texts of {labels.shape[1]} token have no next one to predict: give at least 2.")
