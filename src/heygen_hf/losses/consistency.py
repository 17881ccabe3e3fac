"""Cross-modal consistency: two modalities say the same about an item, or see the same neighbours."""

from typing import Any, Literal, get_args

import torch
from torch.nn import functional as F

from heygen_hf.losses.bad_input import check_choice
from heygen_hf.losses.loss import Loss, full_precision
from heygen_hf.losses.paired_embeddings import check_embedding_pair, check_some_pair, inner_products

ConsistencyKind = Literal["predictions", "similarities"]
ConsistencyTeacher = Literal["none", "first", "second"]


class ConsistencyLoss(Loss):
    """Kullback-Leibler divergence between what two modalities say.

    | input | shape | values |
    |---|---|---|
    | `first`, `second` | `(batch, classes)` logits for `predictions`, `(batch, width)` embeddings for `similarities` | any real |
    | `first_present`, `second_present` | `(batch,)` bool | False where an item lacks the modality |
    | returns | scalar, mean over items that have both | at least 0 |

    `predictions`: between the two softmaxes over classes. `similarities`: between the two softmaxes over an item's
    cosines to the other items of its own modality, which lets the widths' meanings differ; needs 3 items with both,
    for with 2 there is one neighbour and nothing to compare.

    Args:
        kind: what is compared.
        temperature: logits or cosines are divided by it.
        teacher: `none` averages both directions; `first` or `second` receives no gradient and is followed.

    Example:
        >>> loss = ConsistencyLoss(kind="predictions")(video_logits, audio_logits)
    """  # noqa: E501 - a table's row is one line

    summary = "divergence between two modalities' predictions or neighbourhoods"
    citation = "predictions: Zhang et al. 2017, arXiv:1706.00384; similarities: Tung & Mori 2019, arXiv:1907.09682"

    def __init__(
        self,
        *,
        kind: ConsistencyKind = "predictions",
        temperature: float = 1.0,
        teacher: ConsistencyTeacher = "none",
    ) -> None:
        super().__init__()
        check_choice("kind", kind, get_args(ConsistencyKind))
        check_choice("teacher", teacher, get_args(ConsistencyTeacher))
        if not temperature > 0:
            raise ValueError(f"temperature={temperature} must be above 0.")
        self.kind = kind
        self.temperature = temperature
        self.teacher = teacher

    @property
    def fewest_items(self) -> int:
        """How many items must have both modalities."""
        return 3 if self.kind == "similarities" else 1

    def options(self) -> dict[str, Any]:
        return {"kind": self.kind, "temperature": self.temperature, "teacher": self.teacher}

    def forward(
        self,
        first: torch.Tensor,
        second: torch.Tensor,
        *,
        first_present: torch.Tensor | None = None,
        second_present: torch.Tensor | None = None,
    ) -> torch.Tensor:
        if self.kind == "similarities" and first.ndim == second.ndim == 2 and first.shape[1] != second.shape[1]:
            # Only the similarities are compared: widths may differ.
            width = max(first.shape[1], second.shape[1])
            first, second = (F.pad(each, (0, width - each.shape[1])) for each in (first, second))
        first_here, second_here = check_embedding_pair(first, second, first_present, second_present)
        both = first_here & second_here
        check_some_pair(both)
        first, second = (full_precision(each)[both] for each in (first, second))
        if self.kind == "similarities":
            if len(first) < self.fewest_items:
                raise ValueError(f"{len(first)} items have both modalities: similarities need at least 3 to compare.")
            first, second = _similarities(first), _similarities(second)
        one, other = ((each / self.temperature).log_softmax(-1) for each in (first, second))
        if self.teacher == "first":
            return _divergence(one.detach(), other)
        if self.teacher == "second":
            return _divergence(other.detach(), one)
        return (_divergence(one, other) + _divergence(other, one)) / 2


def _divergence(teacher: torch.Tensor, student: torch.Tensor) -> torch.Tensor:
    """KL(teacher || student) of log-probabilities `(items, outcomes)`, mean over items."""
    return F.kl_div(student, teacher, reduction="batchmean", log_target=True)


def _similarities(embeddings: torch.Tensor) -> torch.Tensor:
    """Cosines to the other items, `(items, items - 1)`: everything's 1 with itself would say nothing."""
    embeddings = F.normalize(embeddings, dim=-1)
    cosines = inner_products(embeddings, embeddings)
    others = ~torch.eye(len(embeddings), dtype=torch.bool, device=embeddings.device)
    return cosines[others].reshape(len(embeddings), -1)
