"""Alignment: two modalities' embeddings of one item lie in one place."""

from typing import Any, Literal, get_args

import torch
from torch.nn import functional as F

from heygen_hf.losses.bad_input import check_choice
from heygen_hf.losses.loss import Loss, full_precision
from heygen_hf.losses.paired_embeddings import check_embedding_pair, check_some_pair

AlignmentKind = Literal["cosine", "mse"]


class AlignmentLoss(Loss):
    """`1 - cosine`, or the mean squared difference, of paired embeddings. It has no negatives: alone it collapses.

    | input | shape | values |
    |---|---|---|
    | `first`, `second` | `(batch, width)` | any real; row i of both is one item |
    | `first_present`, `second_present` | `(batch,)` bool | False where an item lacks the modality |
    | returns | scalar, mean over items that have both | [0, 2] for `cosine`, at least 0 for `mse` |

    Example:
        >>> loss = AlignmentLoss(kind="cosine")(video_embeddings, text_embeddings)
    """

    summary = "distance between two modalities' embeddings of one item"
    citation = "alignment: Wang & Isola 2020, arXiv:2005.10242"

    def __init__(self, *, kind: AlignmentKind = "cosine") -> None:
        super().__init__()
        check_choice("kind", kind, get_args(AlignmentKind))
        self.kind = kind

    def options(self) -> dict[str, Any]:
        return {"kind": self.kind}

    def forward(
        self,
        first: torch.Tensor,
        second: torch.Tensor,
        *,
        first_present: torch.Tensor | None = None,
        second_present: torch.Tensor | None = None,
    ) -> torch.Tensor:
        first_here, second_here = check_embedding_pair(first, second, first_present, second_present)
        both = first_here & second_here
        check_some_pair(both)
        first, second = (full_precision(each).where(both[:, None], 0) for each in (first, second))
        if self.kind == "cosine":
            distance = 1 - F.cosine_similarity(first, second, dim=-1)
        else:
            distance = (first - second).square().mean(-1)
        return distance.where(both, 0).sum() / both.sum().clamp(min=1)
