"""Linear-chain conditional random field (Lafferty et al. 2001)."""

from collections.abc import Sequence
from typing import Any, Literal, get_args

import torch
from torch import nn

from heygen_hf.losses.bad_input import check_choice, check_class_ids
from heygen_hf.losses.loss import Loss, full_precision

CRFReduction = Literal["token_mean", "mean", "sum", "none"]
# exp of it is 0 in float32, and sums of it stay finite: -inf minus -inf would be nan in the gradient.
FORBIDDEN_SCORE = -1e5


class LinearChainCRF(Loss):
    """Scores a whole sequence of labels: emissions of the model plus a learned score for every transition.

    | input | shape | values |
    |---|---|---|
    | `logits` | `(batch, tokens, labels)` | any real |
    | `labels` | `(batch, tokens)` long | in [0, labels), anything where the mask is False |
    | `mask` | `(batch, tokens)` bool | True at tokens that count; they need not be neighbours |
    | returns | scalar, or `(batch,)` for `reduction="none"` | negative log-likelihood, at least 0 |

    Masked tokens are taken out: the chain runs over those that are left, so that sub-word pieces and padding may
    stand between two words. A sequence without any has a likelihood of 1.

    Args:
        num_labels: how many labels there are.
        allowed_transitions: `[from][to]`, False where a label may not follow another; all are allowed by default.
        allowed_starts, allowed_ends: for each label, whether a sequence may start or end with it.
        reduction: `token_mean` divides by the tokens that count, `mean` by the sequences; `sum`, `none`.

    Example:
        >>> crf = LinearChainCRF(3)
        >>> loss = crf(torch.randn(2, 5, 3), torch.randint(0, 3, (2, 5)))
        >>> labels, scores = crf.decode(torch.randn(2, 5, 3))
    """

    summary = "negative log-likelihood of the whole label sequence in a linear-chain CRF"
    citation = "Lafferty et al. 2001, Conditional Random Fields, ICML"

    def __init__(
        self,
        num_labels: int,
        *,
        allowed_transitions: Sequence[Sequence[bool]] | torch.Tensor | None = None,
        allowed_starts: Sequence[bool] | torch.Tensor | None = None,
        allowed_ends: Sequence[bool] | torch.Tensor | None = None,
        reduction: CRFReduction = "token_mean",
    ) -> None:
        super().__init__()
        if num_labels < 1:
            raise ValueError(f"num_labels={num_labels} must be at least 1.")
        check_choice("reduction", reduction, get_args(CRFReduction))
        self.num_labels = num_labels
        self.reduction = reduction
        # Plain tuples, not buffers: a checkpoint that loads through the meta device cannot lose them.
        self.forbidden_transitions = _forbidden("allowed_transitions", allowed_transitions, (num_labels, num_labels))
        self.forbidden_starts = _forbidden("allowed_starts", allowed_starts, (num_labels,))
        self.forbidden_ends = _forbidden("allowed_ends", allowed_ends, (num_labels,))
        self.transitions = nn.Parameter(torch.empty(num_labels, num_labels))
        self.start = nn.Parameter(torch.empty(num_labels))
        self.end = nn.Parameter(torch.empty(num_labels))
        self.reset_parameters()

    def reset_parameters(self) -> None:
        """All scores 0: every transition is equally likely until the data say otherwise."""
        for parameter in (self.transitions, self.start, self.end):
            nn.init.zeros_(parameter)

    def options(self) -> dict[str, Any]:
        return {
            "num_labels": self.num_labels,
            "forbidden_transitions": sum(map(sum, self.forbidden_transitions or ())),
            "reduction": self.reduction,
        }

    def forward(self, logits: torch.Tensor, labels: torch.Tensor, mask: torch.Tensor | None = None) -> torch.Tensor:
        mask = self._check(logits, mask)
        if labels.shape != mask.shape:
            raise ValueError(f"labels have shape {tuple(labels.shape)} for logits {tuple(logits.shape)}.")
        check_class_ids(
            torch.where(mask, labels, -1),
            num_classes=self.num_labels,
            ignore_index=-1,
            allow_none=self.reduction != "token_mean",
        )
        order, mask = _kept_first(mask)
        logits = full_precision(logits).gather(1, order[..., None].expand_as(logits))
        labels = labels.gather(1, order).where(mask, 0)
        start, transitions, end = self._scores(logits)
        self._check_gold(labels, mask)
        loss = self._log_partition(logits, mask, start, transitions, end)
        loss = loss - self._gold_score(logits, labels, mask, start, transitions, end)
        if self.reduction == "none":
            return loss
        if self.reduction == "sum":
            return loss.sum()
        return loss.sum() / mask.sum() if self.reduction == "token_mean" else loss.mean()

    @torch.no_grad()
    def decode(
        self, logits: torch.Tensor, mask: torch.Tensor | None = None, *, fill: int = -100
    ) -> tuple[torch.Tensor, torch.Tensor]:
        """The best sequence of labels (Viterbi).

        Returns:
            labels `(batch, tokens)`, `fill` where masked, and the sequences' scores `(batch,)`.
        """
        mask = self._check(logits, mask)
        order, kept = _kept_first(mask)
        logits = full_precision(logits).gather(1, order[..., None].expand_as(logits))
        start, transitions, end = self._scores(logits)
        best = start + logits[:, 0]
        pointers = []
        stay = torch.arange(self.num_labels, device=logits.device).expand_as(best)
        for step in range(1, logits.shape[1]):
            candidate, pointer = (best[:, :, None] + transitions).max(dim=1)
            inside = kept[:, step, None]
            best = torch.where(inside, candidate + logits[:, step], best)
            pointers.append(torch.where(inside, pointer, stay))
        scores, last = (best + end).max(dim=-1)
        path = [last]
        for pointer in reversed(pointers):
            path.append(pointer.gather(1, path[-1][:, None]).squeeze(1))
        # Past a sequence's end the pointers stay where they are, so every step before it is the right one.
        found = torch.stack(path[::-1], dim=1).masked_fill(~kept, fill)
        labels = torch.full_like(found, fill).scatter(1, order, found)
        return labels, torch.where(kept[:, 0], scores, 0.0)

    def _check(self, logits: torch.Tensor, mask: torch.Tensor | None) -> torch.Tensor:
        if logits.ndim != 3 or logits.shape[-1] != self.num_labels or logits.shape[1] == 0:
            raise ValueError(
                f"logits have shape {tuple(logits.shape)}: expected (batch, tokens, labels={self.num_labels})."
            )
        if mask is None:
            return torch.ones(logits.shape[:2], dtype=torch.bool, device=logits.device)
        if mask.shape != logits.shape[:2]:
            raise ValueError(f"mask has shape {tuple(mask.shape)}: expected {tuple(logits.shape[:2])}, one a token.")
        return mask.bool()

    def _scores(self, like: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
        """Start, transition and end scores in the precision of `like`, what is forbidden far below the rest."""
        pairs = (
            (self.start, self.forbidden_starts),
            (self.transitions, self.forbidden_transitions),
            (self.end, self.forbidden_ends),
        )
        start, transitions, end = (
            scores.to(like.dtype)
            if forbidden is None
            else scores.to(like.dtype).masked_fill(torch.tensor(forbidden, device=like.device), FORBIDDEN_SCORE)
            for scores, forbidden in pairs
        )
        return start, transitions, end

    def _log_partition(
        self,
        logits: torch.Tensor,
        mask: torch.Tensor,
        start: torch.Tensor,
        transitions: torch.Tensor,
        end: torch.Tensor,
    ) -> torch.Tensor:
        total = start + logits[:, 0]
        for step in range(1, logits.shape[1]):
            candidate = (total[:, :, None] + transitions).logsumexp(dim=1) + logits[:, step]
            total = torch.where(mask[:, step, None], candidate, total)
        return (total + end).logsumexp(dim=-1).where(mask[:, 0], 0)

    def _gold_score(
        self,
        logits: torch.Tensor,
        labels: torch.Tensor,
        mask: torch.Tensor,
        start: torch.Tensor,
        transitions: torch.Tensor,
        end: torch.Tensor,
    ) -> torch.Tensor:
        emitted = (logits.gather(2, labels[..., None]).squeeze(-1) * mask).sum(1)
        moved = (transitions[labels[:, :-1], labels[:, 1:]] * mask[:, 1:]).sum(1)
        last = labels.gather(1, (mask.sum(1, keepdim=True) - 1).clamp(min=0)).squeeze(1)
        return (start[labels[:, 0]] + emitted + moved + end[last]).where(mask[:, 0], 0)

    def _check_gold(self, labels: torch.Tensor, mask: torch.Tensor) -> None:
        if torch.compiler.is_compiling():
            return
        last = labels.gather(1, (mask.sum(1, keepdim=True) - 1).clamp(min=0))
        places = (
            ("transition", self.forbidden_transitions, (labels[:, :-1], labels[:, 1:]), mask[:, 1:]),
            ("start", self.forbidden_starts, (labels[:, :1],), mask[:, :1]),
            ("end", self.forbidden_ends, (last,), mask[:, :1]),
        )
        for place, forbidden, ids, inside in places:
            if forbidden is None:
                continue
            broken = torch.tensor(forbidden, device=labels.device)[ids] & inside
            if bool(broken.any()):
                names = " -> ".join(str(int(each[broken][0])) for each in ids)
                raise ValueError(f"the labels have the {place} {names}, which allowed_{place}s rules out.")


def bio_transitions(labels: Sequence[str]) -> tuple[list[list[bool]], list[bool]]:
    """`allowed_transitions` and `allowed_starts` of BIO labels: `I-x` only follows `B-x` or `I-x`.

    Example:
        >>> transitions, starts = bio_transitions(["O", "B-name", "I-name"])
        >>> crf = LinearChainCRF(3, allowed_transitions=transitions, allowed_starts=starts)
    """
    starts = [not label.startswith("I-") for label in labels]
    transitions = [
        [free or before in {f"B-{label[2:]}", label} for label, free in zip(labels, starts, strict=True)]
        for before in labels
    ]
    return transitions, starts


def _forbidden(name: str, allowed: Any, shape: tuple[int, ...]) -> Any:
    """What is not allowed as nested tuples, or None where everything is."""
    if allowed is None:
        return None
    forbidden = ~torch.as_tensor(allowed, dtype=torch.bool, device="cpu")
    if forbidden.shape != shape:
        raise ValueError(f"{name} has shape {tuple(forbidden.shape)}: expected {shape}, one value a label.")
    rows = forbidden.tolist()
    return tuple(map(tuple, rows)) if len(shape) == 2 else tuple(rows)


def _kept_first(mask: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
    """The order that brings each row's kept tokens to its front, theirs unchanged, and the mask in that order."""
    order = mask.int().argsort(dim=1, descending=True, stable=True)
    return order, mask.gather(1, order)
