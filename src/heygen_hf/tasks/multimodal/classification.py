"""Label columns from any of video, caption and sound, fused early, late or through bottleneck tokens."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import torch
from transformers import EvalPrediction

from heygen_hf.evaluation.attribute_accuracy.labelled_clips import class_names, read_labels
from heygen_hf.hub import MetricResult
from heygen_hf.models.multimodal_fusion import MultimodalFusionConfig, MultimodalFusionForClassification
from heygen_hf.tasks.clip_data import ProcessorSection
from heygen_hf.tasks.model_training import HubSection, ModelTask, TaskParts, share_figure
from heygen_hf.tasks.multimodal.combinations import UNSEEN, groups_of
from heygen_hf.tasks.multimodal.data import (
    FusionCollator,
    FusionData,
    MultimodalDataSection,
    check_modalities,
    open_fusion_data,
    open_tokenizer,
)
from heygen_hf.tasks.multimodal.hidden_words import HiddenWords, HiddenWordSamples, mark_of
from heygen_hf.tasks.multimodal.label_smoothing import refuse_label_smoothing
from heygen_hf.tasks.multimodal.model import FusionModelSection, build_fusion_model, modalities_of
from heygen_hf.tasks.multimodal.writing import load_processor
from heygen_hf.tasks.recipe import Recipe
from heygen_hf.training import SupervisedTrainingArguments

_INPUTS = {
    "text": ("input_ids", "attention_mask"),
    "video": ("pixel_values", "pixel_mask"),
    "audio": ("audio_values", "audio_attention_mask"),
}
_NAMES = {"text": "caption", "video": "video", "audio": "sound"}


@dataclass(kw_only=True)
class ClassificationDataSection(MultimodalDataSection):
    """`MultimodalDataSection`, and what the captions may say.

    Args:
        hidden_words: a caption that names a label gives its class away. "some": the words of some label columns, drawn
            anew for each sample and epoch, are hidden in its caption; the figures hide one column at a time and count
            that column alone. "all": of all label columns; "none": captions stay as they are.
    """

    hidden_words: HiddenWords = "some"


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


def build(recipe: Recipe, *, exported: Path | None, is_main: bool) -> TaskParts:
    """Everything the run needs; with `exported`, tokenizer, processor and class names are those that were saved there.

    Raises:
        ValueError: no label columns, a column that is no set of classes, a modality that no sample has.
    """
    refuse_label_smoothing(recipe, use_instead="model.label_smoothing")
    columns, read = _label_columns(recipe), modalities_of(recipe.model)
    processor = load_processor(recipe.processor, exported=None if recipe.data.train is None else exported)
    data = open_fusion_data(recipe, processor=processor, is_main=is_main)
    tokenizer = open_tokenizer(recipe, data.captions, exported=exported)
    if exported is not None:
        names = MultimodalFusionConfig.from_pretrained(str(exported)).label_columns or {}
    else:
        names = {column: class_names(column, each) for column, each in read_labels(data.train, columns).items()}
    if is_main:
        _say_unknown_labels(names, data)
    hide = partial(
        HiddenWordSamples,
        columns=columns,
        hidden=recipe.data.hidden_words,
        mark=mark_of(tokenizer),
        seed=recipe.seed,
    )
    collate = FusionCollator(processor, tokenizer, label_columns=names)
    check_modalities(recipe, data, collate)
    clips = data.train.clips is not None
    return TaskParts(
        model_class=MultimodalFusionForClassification,
        build_model=lambda: build_fusion_model(
            MultimodalFusionForClassification,
            recipe.model,
            tokenizer=tokenizer,
            processor=processor if clips else None,
            label_columns=names,
        ),
        train_dataset=hide(data.train, ask_all=True),
        eval_dataset=None if data.validation is None else hide(data.validation),
        collate=collate,
        processors=[each for each in (tokenizer, processor if clips else None) if each is not None],
        measure=partial(measure, recipe=recipe, data=data, collate=collate, hide=hide, names=names),
        compute_metrics=partial(column_accuracy, names=names),
        preprocess_logits_for_metrics=lambda logits, _: logits[0] if isinstance(logits, tuple) else logits,
        data_name=data.source,
        reports=data.reports,
        num_workers=data.num_workers,
        usage=_USAGE if clips else _USAGE_AUDIO,
        data_note=data.note,
        pipeline_tag=next(f"{name}-classification" for name in ("video", "audio", "text") if name in read),
    )


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


def _label_columns(recipe: Recipe) -> list[str]:
    if recipe.data.label_columns:
        return list(recipe.data.label_columns)
    if recipe.data.train is None and recipe.data.recordings is not None:
        return [recipe.data.recordings.label_column]
    raise ValueError("data.label_columns is empty: name the columns of the metadata to predict, such as [colour]")


def _say_unknown_labels(names: Mapping[str, Sequence[str]], data: FusionData) -> None:
    for split, samples in (("validation", data.validation), ("test", data.test)):
        for column, values in names.items() if samples is not None else ():
            unknown = sorted(set(map(str, samples.labels[column])) - set(values))
            if unknown:
                print(f"warning: {split} has {column} {', '.join(unknown[:5])}, which training has not: always wrong.")


_USAGE = """\
from heygen_hf import MultimodalFusionForClassification, VideoProcessor
from heygen_hf.data import decode_video

model = MultimodalFusionForClassification.from_pretrained(FOLDER).eval()
processor = VideoProcessor.from_pretrained(FOLDER)
clip = processor(decode_video("clip.mp4", processor=processor))
print(model.class_names(model(**clip).logits))  # input_ids and audio_values may be passed as well
"""
_USAGE_AUDIO = """\
from heygen_hf import MultimodalFusionForClassification
from heygen_hf.data.recordings import decode_recording

model = MultimodalFusionForClassification.from_pretrained(FOLDER).eval()
samples, _ = decode_recording("recording.wav", sampling_rate=model.config.audio_config.sampling_rate)
print(model.class_names(model(audio_values=samples[None]).logits))
"""

TASK = ModelTask(name="multimodal_classification", build=build, pipeline_tag="video-classification")
run, evaluate, plan = TASK.run, TASK.evaluate, TASK.plan
SECTIONS: dict[str, Any] = {
    "model": FusionModelSection,
    "data": ClassificationDataSection,
    "processor": ProcessorSection,
    "training": SupervisedTrainingArguments,
    "evaluation": ClassificationEvaluationSection,
    "hub": HubSection,
}

__all__ = ["SECTIONS", "TASK", "build", "column_accuracy", "evaluate", "measure", "plan", "run"]
