"""A finished supervised run: its model, data and measure, and what it predicts of each held-out clip or text."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import torch

from heygen_hf.data.cache import hash_weights
from heygen_hf.data.text import TextCollator
from heygen_hf.processing import VideoProcessor
from heygen_hf.tasks.clip_data import prepare_data
from heygen_hf.tasks.model_training import TaskParts
from heygen_hf.tasks.model_training.remeasuring import on_training_device
from heygen_hf.tasks.recipe import Recipe, load_recipe
from heygen_hf.tasks.registry import task_module
from heygen_hf.tasks.responsible_checks.document import Check, not_applicable
from heygen_hf.tasks.responsible_checks.group_comparison import TITLE, FigurePerVideo, compare
from heygen_hf.tasks.responsible_checks.options import CheckOptions
from heygen_hf.tasks.run_folder import RunFolder
from heygen_hf.tasks.text.labelled_texts import prepare_labelled_texts
from heygen_hf.tasks.text.text_figures import IGNORED, predict_classes
from heygen_hf.tasks.video_classification.labels import LabelNames
from heygen_hf.tasks.video_classification.measuring import predict
from heygen_hf.tasks.video_classification.task import CLASS_FOLDER_COLUMN


@dataclass(frozen=True)
class SupervisedRun:
    """See the module.

    Attributes:
        facts: what was checked, for the record.
    """

    folder: RunFolder
    recipe: Recipe
    parts: TaskParts
    model: Any
    facts: dict[str, Any]


def open_supervised_run(folder: Path) -> SupervisedRun:
    """Load a run's model and data.

    Raises:
        ValueError: no finished run, a task without a measure of this kind, or data that are not there.
    """
    run = RunFolder(folder)
    config = run.require_finished_model()
    recipe = load_recipe(run.recipe)
    task = getattr(task_module(recipe.task), "TASK", None)
    if task is None:
        raise ValueError(f"{folder} is a run of {recipe.task}, of which there is nothing to check; leave --checks out")
    parts = task.build(recipe, exported=run.path, is_main=True)
    if config.name == "adapter_config.json":
        from heygen_hf.tasks.adapters import load_adapters

        model = load_adapters(parts.model_class, run.path)
    else:
        model = parts.model_class.from_pretrained(str(run.path))
    model = on_training_device(model, recipe).eval()
    facts = {"source": folder.resolve().name, "task": recipe.task, "weights": hash_weights(model).hex()}
    return SupervisedRun(run, recipe, parts, model, facts)


@torch.no_grad()
def check_supervised_groups(run: SupervisedRun, options: CheckOptions) -> Check:
    """Accuracy of a classifier of videos or texts by the groups of its held-out clips.

    Raises:
        ValueError: no such column.
    """
    if run.recipe.task == "video_classification":
        figures, labels = _video_predictions(run, options)
    elif run.recipe.task == "text_classification":
        figures, labels = _text_predictions(run, options)
    else:
        why = f"A run of {run.recipe.task} gives no answer for each clip or text that could be compared by group."
        return not_applicable("groups", TITLE, why, subject=run.facts)
    counted = "clips" if run.recipe.task == "video_classification" else "texts"
    facts = {**run.facts, "count": len(figures[0].values)}
    return compare(figures, labels, subject=facts, seed=options.draw_seed, counted=counted)


def _video_predictions(
    run: SupervisedRun, options: CheckOptions
) -> tuple[list[FigurePerVideo], dict[str, Sequence[str]]]:
    recipe, config = run.recipe, run.model.config
    columns = recipe.data.label_columns or [CLASS_FOLDER_COLUMN]
    groups = list(options.groups or columns)
    read = list(dict.fromkeys([*columns, *groups]))
    section = replace(recipe.data, label_columns=read, caption_column=None)
    processor = VideoProcessor.from_pretrained(str(run.folder.path))
    clips = prepare_data(section, processor=processor, seed=recipe.seed, is_main=False).test
    names = LabelNames.from_id2label(config.id2label, columns)
    predicted = predict(run.model, clips, names=names, processor=processor, batch_size=recipe.evaluation.batch_size)
    hits = {
        column: np.array([str(a) == str(b) for a, b in zip(values, clips.labels[column], strict=True)], float)
        for column, values in predicted.items()
    }
    if len(hits) > 1:
        hits["all labels"] = np.min(list(hits.values()), axis=0)
    figures = [_accuracy(name, values) for name, values in hits.items()]
    return figures, {column: clips.labels[column] for column in groups}


def _text_predictions(
    run: SupervisedRun, options: CheckOptions
) -> tuple[list[FigurePerVideo], dict[str, Sequence[str]]]:
    data = run.recipe.data
    labelled = prepare_labelled_texts(data, seed=run.recipe.seed, exported=run.folder.path)
    documents = labelled.splits.test
    groups = list(options.groups or [data.label_column])
    unknown = next((column for column in groups if column not in documents.column_names), None)
    if unknown is not None:
        there = ", ".join(documents.column_names)
        raise ValueError(f"--groups {unknown}: the test texts have no such column; they have {there}")
    from transformers import AutoTokenizer

    tokenizer = AutoTokenizer.from_pretrained(str(run.folder.path))
    encoded = tokenizer(
        labelled.texts["test"], truncation=True, max_length=data.max_length_in_evaluation, verbose=False
    )["input_ids"]
    items = [{"input_ids": ids, "label": label} for ids, label in zip(encoded, labelled.labels["test"], strict=True)]
    kept = [place for place, item in enumerate(items) if item["label"] != IGNORED]
    predicted = predict_classes(
        run.model,
        [items[place] for place in kept],
        collate=TextCollator(tokenizer, objective="sequence_classification"),
        batch_size=run.recipe.evaluation.batch_size,
    )
    wanted = np.array([items[place]["label"] for place in kept])
    values = {column: list(documents[column]) for column in groups}
    labels: dict[str, Sequence[str]] = {column: [str(values[column][place]) for place in kept] for column in groups}
    if data.label_column in labels:  # by name, not by number
        labels[data.label_column] = [labelled.class_names[number] for number in wanted]
    return [_accuracy(data.label_column, (predicted == wanted).astype(float))], labels


def _accuracy(column: str, hits: np.ndarray) -> FigurePerVideo:
    return FigurePerVideo(name=f"accuracy, {column}", values=hits, is_share=True, unit="share")
