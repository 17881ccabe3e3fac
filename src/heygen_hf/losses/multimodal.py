"""The loss of a multimodal model: alignment, contrast and consistency over every pair of its modalities."""

import itertools
from collections.abc import Mapping, Sequence
from typing import Any, Literal, get_args

import torch

from heygen_hf.losses.alignment import AlignmentKind, AlignmentLoss
from heygen_hf.losses.bad_input import check_choice, check_weight
from heygen_hf.losses.consistency import ConsistencyLoss
from heygen_hf.losses.contrastive import ContrastiveKind, ContrastiveLoss
from heygen_hf.losses.loss import Loss, LossOutput
from heygen_hf.losses.rank_gathering import sum_over_ranks

EmptyModality = Literal["error", "skip"]


class MultimodalLoss(Loss):
    """Alignment, contrastive and consistency losses, each the mean over pairs of modalities.

    | input | shape | values |
    |---|---|---|
    | `embeddings` | modality -> `(batch, width)` | any real; two modalities or more, in one space |
    | `present` | modality -> `(batch,)` bool | False where an item lacks it; modalities left out are complete |
    | `logits` | modality -> `(batch, classes)` | for the consistency of predictions |
    | `group_ids` | `(batch,)` long | items of one id are positives, see `ContrastiveLoss` |
    | returns | `LossOutput` | parts by name and pair: `contrastive/text_video` |

    Args:
        alignment, contrastive, consistency: weights, at least 0.
        alignment_kind: see `AlignmentLoss`.
        contrastive_kind: see `ContrastiveLoss`.
        contrastive_loss, consistency_loss: the losses themselves, with options of their own. By default consistency
            compares predictions where logits are given and similarities where not.
        pairs: which modalities to compare; every two by default.
        empty_modality: a batch in which no item has both of a pair is an error, or that pair is skipped (for
            modality dropout in small batches).

    Example:
        >>> loss = MultimodalLoss(contrastive=1.0, alignment=0.1)
        >>> loss({"text": text, "video": video, "audio": audio}, present={"audio": has_audio}).loss.backward()
    """

    summary = "alignment, contrastive and consistency losses over pairs of modalities"
    citation = "CLIP arXiv:2103.00020; SigLIP arXiv:2303.15343; mutual learning arXiv:1706.00384"

    def __init__(
        self,
        *,
        alignment: float = 0.0,
        contrastive: float = 1.0,
        consistency: float = 0.0,
        alignment_kind: AlignmentKind = "cosine",
        contrastive_kind: ContrastiveKind = "softmax",
        contrastive_loss: ContrastiveLoss | None = None,
        consistency_loss: ConsistencyLoss | None = None,
        pairs: Sequence[tuple[str, str]] | None = None,
        empty_modality: EmptyModality = "error",
    ) -> None:
        super().__init__()
        self.weights = {"alignment": alignment, "contrastive": contrastive, "consistency": consistency}
        for name, weight in self.weights.items():
            check_weight(name, weight)
        if not any(self.weights.values()):
            raise ValueError("every weight is 0: give alignment, contrastive or consistency a weight.")
        check_choice("empty_modality", empty_modality, get_args(EmptyModality))
        self.pairs = None if pairs is None else [(first, second) for first, second in pairs]
        self.empty_modality = empty_modality
        self.alignment_loss = AlignmentLoss(kind=alignment_kind)
        # Made only where it counts: its parameters would never receive a gradient.
        self.contrastive_loss = contrastive_loss
        if contrastive and contrastive_loss is None:
            self.contrastive_loss = ContrastiveLoss(kind=contrastive_kind)
        self.consistency_loss = consistency_loss

    def options(self) -> dict[str, Any]:
        options: dict[str, Any] = {name: weight for name, weight in self.weights.items() if weight}
        if self.weights["alignment"]:
            options["alignment_loss"] = self.alignment_loss.options()
        if self.weights["contrastive"] and self.contrastive_loss is not None:
            options["contrastive_loss"] = self.contrastive_loss.options()
        if self.weights["consistency"] and self.consistency_loss is not None:
            options["consistency_loss"] = self.consistency_loss.options()
        if self.pairs is not None:
            options["pairs"] = [list(pair) for pair in self.pairs]
        return options

    def forward(
        self,
        embeddings: Mapping[str, torch.Tensor],
        *,
        present: Mapping[str, torch.Tensor] | None = None,
        logits: Mapping[str, torch.Tensor] | None = None,
        group_ids: torch.Tensor | None = None,
    ) -> LossOutput:
        present = present or {}
        pairs = self._pairs(embeddings, present)
        usable = [pair for pair in pairs if self._both_present(pair, present)]
        parts: dict[str, torch.Tensor] = {}
        weights: dict[str, float | torch.Tensor] = {}
        for first, second in usable:
            values = {}
            masks = {"first_present": present.get(first), "second_present": present.get(second)}
            two = embeddings[first], embeddings[second]
            # A rank may have none of the items that have both; the others' contrast still needs its negatives.
            here = self._items_with_both((first, second), embeddings, present)
            if self.weights["alignment"] and here:
                values["alignment"] = self.alignment_loss(*two, **masks)
            if self.weights["contrastive"]:
                assert self.contrastive_loss is not None
                values["contrastive"] = self.contrastive_loss(*two, **masks, group_ids=group_ids)
            if self.weights["consistency"] and here:
                consistency, *compared = self._consistency((first, second), embeddings, logits)
                if here >= consistency.fewest_items or self.empty_modality == "error":
                    values["consistency"] = consistency(*compared, **masks)
            for name, value in values.items():
                parts[f"{name}/{first}_{second}"] = value
                weights[f"{name}/{first}_{second}"] = self.weights[name] / len(usable)
        if not parts:  # every pair was skipped: a loss that can be differentiated and changes nothing
            return LossOutput(
                loss=torch.stack([torch.nan_to_num(each).sum() * 0 for each in embeddings.values()]).sum()
            )
        return LossOutput.from_parts(parts, weights)

    def _pairs(
        self, embeddings: Mapping[str, torch.Tensor], present: Mapping[str, torch.Tensor]
    ) -> list[tuple[str, str]]:
        if len(embeddings) < 2:
            raise ValueError(f"embeddings of {', '.join(embeddings) or 'nothing'} given: a pair needs two modalities.")
        pairs = self.pairs or list(itertools.combinations(embeddings, 2))
        unknown = {name for pair in pairs for name in pair} | set(present)
        unknown -= set(embeddings)
        if unknown:
            raise ValueError(f"{', '.join(sorted(unknown))} without embeddings: given are {', '.join(embeddings)}.")
        return pairs

    def _both_present(self, pair: tuple[str, str], present: Mapping[str, torch.Tensor]) -> bool:
        masks = [present[name] for name in pair if name in present]
        if not masks or torch.compiler.is_compiling():
            return True
        both = masks[0].bool() if len(masks) == 1 else masks[0].bool() & masks[1].bool()
        if self.weights["contrastive"] and self.contrastive_loss is not None and self.contrastive_loss.gather_ranks:
            count = sum_over_ranks(both.sum())  # all ranks decide alike, or one would wait for the others for ever
        else:
            count = both.sum()
        if int(count):
            return True
        if self.empty_modality == "skip":
            return False
        missing = [name for name in pair if name in present and not bool(present[name].any())]
        what = f"{missing[0]} is missing in every item" if missing else f"no item has both {pair[0]} and {pair[1]}"
        raise ValueError(f"{what} of the batch ({len(both)}): check the data, or set empty_modality='skip'.")

    def _items_with_both(
        self, pair: tuple[str, str], embeddings: Mapping[str, torch.Tensor], present: Mapping[str, torch.Tensor]
    ) -> int:
        masks = [present[name].bool() for name in pair if name in present]
        if not masks or torch.compiler.is_compiling():
            return len(embeddings[pair[0]])
        return int(torch.stack(masks).all(0).sum())

    def _consistency(
        self, pair: tuple[str, str], embeddings: Mapping[str, torch.Tensor], logits: Mapping[str, torch.Tensor] | None
    ) -> tuple[ConsistencyLoss, torch.Tensor, torch.Tensor]:
        """The loss, and the two things that it compares."""
        first, second = pair
        loss = self.consistency_loss or ConsistencyLoss(kind="similarities" if logits is None else "predictions")
        if loss.kind == "similarities":
            return loss, embeddings[first], embeddings[second]
        if logits is None or first not in logits or second not in logits:
            raise ValueError(f"the consistency of predictions needs logits of {first} and {second}: give both.")
        return loss, logits[first], logits[second]
