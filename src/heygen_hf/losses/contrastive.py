"""Contrastive losses between two modalities: softmax (InfoNCE, CLIP) and sigmoid (SigLIP)."""

import math
from typing import Any, Literal, get_args

import torch
from torch import nn
from torch.nn import functional as F

from heygen_hf.losses.bad_input import check_choice, check_fraction
from heygen_hf.losses.loss import Loss, full_precision
from heygen_hf.losses.paired_embeddings import check_embedding_pair, check_some_pair, inner_products
from heygen_hf.losses.rank_gathering import gather_from_ranks, rank_count, sum_over_ranks

ContrastiveKind = Literal["softmax", "sigmoid"]
# Where the papers start: a temperature of 0.07, and 10 with a bias of -10.
FIRST_SCALE = {"softmax": 1 / 0.07, "sigmoid": 10.0}
FIRST_BIAS = -10.0


class ContrastiveLoss(Loss):
    """Items of one batch are told apart: each finds its partner in the other modality among all the others'.

    | input | shape | values |
    |---|---|---|
    | `first`, `second` | `(batch, width)` | any real; row i of both is one item; normalised in here |
    | `first_present`, `second_present` | `(batch,)` bool | False where an item lacks the modality |
    | `group_ids` | `(batch,)` long | items with one id are each other's positives, e.g. clips of one caption |
    | returns | scalar | at least 0 |

    An item without one of the modalities is no anchor; the modality it has still counts among the others' negatives.
    `softmax`: cross-entropy over the batch, both ways, averaged (several positives share the target evenly).
    `sigmoid`: every pair is its own decision, summed, divided by the number of items.

    With `gather_ranks` and `torch.distributed` initialised, negatives come from all ranks with gradients: the loss is
    that of the whole batch, the same on every rank, and gradients averaged over ranks (as DDP does) are its own. All
    ranks must then call it together.

    Args:
        kind: `softmax` (Radford et al. 2021) or `sigmoid` (Zhai et al. 2023).
        scale: what cosines are multiplied by at the start, one over the temperature; the paper's by default.
        maximum_scale: the learned scale is clamped to it.
        learn_scale: whether scale (and the bias of `sigmoid`) are trained.
        label_smoothing: share of the target spread over all candidates, for `softmax`.
        gather_ranks: take the other ranks' items as negatives.

    Example:
        >>> loss = ContrastiveLoss()(video_embeddings, text_embeddings, group_ids=caption_ids)
    """

    summary = "each item finds its partner in the other modality among the batch"
    citation = "van den Oord et al. 2018, arXiv:1807.03748; CLIP arXiv:2103.00020; SigLIP arXiv:2303.15343"

    def __init__(
        self,
        *,
        kind: ContrastiveKind = "softmax",
        scale: float | None = None,
        maximum_scale: float = 100.0,
        learn_scale: bool = True,
        label_smoothing: float = 0.0,
        gather_ranks: bool = True,
    ) -> None:
        super().__init__()
        check_choice("kind", kind, get_args(ContrastiveKind))
        check_fraction("label_smoothing", label_smoothing)
        if label_smoothing and kind == "sigmoid":
            raise ValueError(f"label_smoothing={label_smoothing} is the softmax's: leave it at 0 for kind='sigmoid'.")
        scale = FIRST_SCALE[kind] if scale is None else scale
        if not 0 < scale <= maximum_scale:
            raise ValueError(f"scale={scale} must be above 0 and at most maximum_scale={maximum_scale}.")
        self.kind = kind
        self.initial_scale = scale
        self.maximum_scale = maximum_scale
        self.label_smoothing = label_smoothing
        self.gather_ranks = gather_ranks
        self.log_scale = nn.Parameter(torch.empty(()), requires_grad=learn_scale)
        self.bias = nn.Parameter(torch.empty(()), requires_grad=learn_scale) if kind == "sigmoid" else None
        self.reset_parameters()

    def reset_parameters(self) -> None:
        """The papers' starting points: see `FIRST_SCALE`."""
        nn.init.constant_(self.log_scale, math.log(self.initial_scale))
        if self.bias is not None:
            nn.init.constant_(self.bias, FIRST_BIAS)

    def options(self) -> dict[str, Any]:
        return {
            "kind": self.kind,
            "scale": self.initial_scale,
            "maximum_scale": self.maximum_scale,
            "learn_scale": self.log_scale.requires_grad,
            "label_smoothing": self.label_smoothing,
            "gather_ranks": self.gather_ranks,
        }

    @property
    def scale(self) -> torch.Tensor:
        """What cosines are multiplied by, scalar."""
        if self.training:
            # The parameter itself is held back, as in CLIP: a clamp in the graph would stop its gradient for good.
            with torch.no_grad():
                self.log_scale.clamp_(max=math.log(self.maximum_scale))
        return self.log_scale.exp().clamp(max=self.maximum_scale)

    def forward(
        self,
        first: torch.Tensor,
        second: torch.Tensor,
        *,
        first_present: torch.Tensor | None = None,
        second_present: torch.Tensor | None = None,
        group_ids: torch.Tensor | None = None,
    ) -> torch.Tensor:
        first_here, second_here = check_embedding_pair(first, second, first_present, second_present)
        ids = self._group_ids(group_ids, first)
        # Zeros before anything is computed: an absent modality's embedding may be anything, nan included.
        first = F.normalize(full_precision(first).where(first_here[:, None], 0), dim=-1)
        second = F.normalize(full_precision(second).where(second_here[:, None], 0), dim=-1)
        here = {"first": (first, first_here), "second": (second, second_here)}
        there, ranks, begin = here, 1, 0
        all_ids = ids
        if self.gather_ranks and rank_count() > 1:
            ranks = rank_count()
            there = {name: tuple(gather_from_ranks(each)[0] for each in pair) for name, pair in here.items()}  # type: ignore[misc]
            all_ids, begin = gather_from_ranks(ids)
            if group_ids is None:  # items are numbered within a rank
                all_ids = torch.arange(len(all_ids), device=ids.device)
                ids = all_ids[begin : begin + len(ids)]
        both = there["first"][1] & there["second"][1]
        check_some_pair(both)
        positive = ids[:, None] == all_ids
        anchors = first_here & second_here
        scale = self.scale
        if self.kind == "softmax":
            ways = (("first", "second"), ("second", "first"))
            total = sum(self._softmax(here[a][0], *there[b], positive, anchors, scale) for a, b in ways) / 2
        else:
            total = self._sigmoid(first, *there["second"], positive, anchors, scale)
        # This rank's share of the whole batch's mean, times the ranks that DDP's average divides by.
        loss = total * (ranks / both.sum())
        return loss if ranks == 1 else loss + (sum_over_ranks(loss) / ranks - loss).detach()

    def _softmax(
        self,
        anchor: torch.Tensor,
        candidates: torch.Tensor,
        candidate_here: torch.Tensor,
        positive: torch.Tensor,
        anchors: torch.Tensor,
        scale: torch.Tensor,
    ) -> torch.Tensor:
        logits = scale * inner_products(anchor, candidates)
        log_p = logits.masked_fill(~candidate_here, -torch.inf).log_softmax(-1).masked_fill(~candidate_here, 0)
        positive = positive & candidate_here
        target = positive / positive.sum(-1, keepdim=True).clamp(min=1)
        if self.label_smoothing:
            spread = candidate_here / candidate_here.sum()
            target = (1 - self.label_smoothing) * target + self.label_smoothing * spread
        return (-(target * log_p).sum(-1)).where(anchors, 0).sum()

    def _sigmoid(
        self,
        anchor: torch.Tensor,
        candidates: torch.Tensor,
        candidate_here: torch.Tensor,
        positive: torch.Tensor,
        anchors: torch.Tensor,
        scale: torch.Tensor,
    ) -> torch.Tensor:
        assert self.bias is not None
        logits = scale * inner_products(anchor, candidates) + self.bias
        loss = F.softplus(torch.where(positive, -logits, logits))
        return loss.where(anchors[:, None] & candidate_here, 0).sum()

    def _group_ids(self, group_ids: torch.Tensor | None, like: torch.Tensor) -> torch.Tensor:
        if group_ids is None:
            return torch.arange(len(like), device=like.device)
        if group_ids.shape != like.shape[:1] or group_ids.is_floating_point():
            raise ValueError(
                f"group_ids are {group_ids.dtype} of shape {tuple(group_ids.shape)}: expected whole numbers "
                f"({len(like)},), one an item."
            )
        return group_ids.to(like.device)
