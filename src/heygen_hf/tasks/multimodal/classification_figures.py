"""How often a classifier of several modalities is right: with all of them, and with each left out."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from transformers import EvalPrediction

from heygen_hf.hub import MetricResult
from heygen_hf.models.multimodal_fusion import MultimodalFusionForClassification
from heygen_hf.tasks.model_training import share_figure
from heygen_hf.tasks.multimodal.collator import FusionCollator
from heygen_hf.tasks.multimodal.combinations import UNSEEN, groups_of
from heygen_hf.tasks.multimodal.data import FusionData
from heygen_hf.tasks.multimodal.hidden_words import HiddenWords, HiddenWordSamples
from heygen_hf.tasks.multimodal.model import modalities_of
from heygen_hf.tasks.recipe import Recipe

_INPUTS = {
    "text": ("input_ids", "attention_mask"),
    "video": ("pixel_values", "pixel_mask"),
    "audio": ("audio_values", "audio_attention_mask"),
}
_NAMES = {"text": "caption", "video": "video", "audio": "sound"}


@dataclass(kw_only=True)
class ClassificationEvaluationSection:
    """How the trained model is measured.

    Args:
        batch_size: samples at once.
        missing_modalities: measure also with each modality left out in turn.
    """

    batch_size: int = 128
    missing_modalities: bool = True

    def __post_init__(self) -> None:
        if self.batch_size < 1:
            raise ValueError(f"batch_size must be at least 1, got {self.batch_size}")


@torch.no_grad()
def measure(
    model: MultimodalFusionForClassification,
    *,
    recipe: Recipe,
    data: FusionData,
    collate: FusionCollator,
    hide: Callable[..., HiddenWordSamples],
    names: Mapping[str, Sequence[str]],
) -> list[MetricResult]:
    """Accuracy of each label column, its own words hidden: with everything, and with each modality left out."""
    modalities = modalities_of(recipe.model)
    section: ClassificationEvaluationSection = recipe.evaluation
    test, group_of_all = data.test, f"{data.measured_split} samples"
    groups = [group_of_all] * len(test)
    if len(names) > 1:
        groups = groups_of(test.labels, list(names), train=data.train.labels)
    conditions: list[tuple[str, ...]] = [()]
    if section.missing_modalities and len(modalities) > 1:
        conditions += [(name,) for name in modalities]
    hidden = recipe.data.hidden_words
    one_by_one = "text" in modalities and hidden == "some"
    figures: list[MetricResult] = []
    for column in names if one_by_one else [None]:
        samples = hide(test, only=column)
        asked = list(names) if column is None else [column]
        right: dict[tuple[str, ...], dict[str, list[bool]]] = {
            each: {name: [] for name in asked} for each in conditions
        }
        for start in range(0, len(test), section.batch_size):
            items = samples.__getitems__(range(start, min(start + section.batch_size, len(test))))
            batch = {name: value.to(model.device) for name, value in collate(items).items() if name != "labels"}
            for missing in conditions:
                kept = {name: value for name, value in batch.items() if not _is_of(name, missing)}
                chosen = model.class_names(model(**kept).logits)
                for name in asked:
                    right[missing][name] += [
                        each[name] == str(item[name]) for each, item in zip(chosen, items, strict=True)
                    ]
        for missing, found in right.items():
            for name in asked:
                figures += _figures(
                    name,
                    found[name],
                    groups,
                    group_of_all=group_of_all,
                    missing=missing,
                    modalities=modalities,
                    hidden=hidden,
                    names=names[name],
                )
    return figures


def column_accuracy(evaluated: EvalPrediction, *, names: Mapping[str, Sequence[str]]) -> dict[str, float]:
    """While training: the share of right classes of each column, over the samples that are asked for it."""
    logits, labels = np.asarray(evaluated.predictions), np.asarray(evaluated.label_ids)
    accuracy: dict[str, float] = {}
    first = 0
    for place, (column, each) in enumerate(names.items()):
        asked = labels[:, place] != -100
        if asked.any():
            chosen = logits[asked, first : first + len(each)].argmax(axis=-1)
            accuracy[f"{column}_accuracy"] = float((chosen == labels[asked, place]).mean())
        first += len(each)
    return accuracy


def _figures(
    column: str,
    right: Sequence[bool],
    groups: Sequence[str],
    *,
    group_of_all: str,
    missing: Sequence[str],
    modalities: Sequence[str],
    hidden: HiddenWords,
    names: Sequence[str],
) -> list[MetricResult]:
    """Groups apart where nothing is missing, together where something is."""
    left = [name for name in modalities if name not in missing]
    note = f"from {' and '.join(_NAMES[name] for name in left)}; chance {1 / len(names):.1%}"
    if "text" in left:
        told = {"some": f"the caption hides the {column}", "all": "the caption hides every label"}
        note += f"; {told.get(hidden, 'captions may name the class')}"
    if missing:
        name = f"{column} without {_NAMES[missing[0]]}"
        return [share_figure(name, sum(right), len(right), group=group_of_all, note=note)]
    figures = []
    for group in dict.fromkeys((UNSEEN, *groups)):
        chosen = [each for each, its_group in zip(right, groups, strict=True) if its_group == group]
        if chosen:
            figures.append(share_figure(column, sum(chosen), len(chosen), group=group, note=note))
    return figures


def _is_of(name: str, modalities: Sequence[str]) -> bool:
    return any(name in _INPUTS[modality] for modality in modalities)
