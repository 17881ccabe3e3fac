"""Video classification as a task: labelled clips, a classifier, and how often it is right."""

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import torch
from transformers import AutoConfig
from transformers.models.auto.modeling_auto import MODEL_FOR_VIDEO_CLASSIFICATION_MAPPING

from heygen_hf.data import VideoTextCollator
from heygen_hf.models.conv_video_encoder import ConvVideoEncoderForVideoClassification
from heygen_hf.processing import VideoProcessor
from heygen_hf.tasks.bare_training import BareTraining
from heygen_hf.tasks.clip_data import PreparedData, prepare_data
from heygen_hf.tasks.model_training import ModelTask, TaskParts
from heygen_hf.tasks.model_training.arguments import float32_on_cpu
from heygen_hf.tasks.recipe import Recipe
from heygen_hf.tasks.run_folder import TrainedRun
from heygen_hf.tasks.video_classification.labels import LabelNames, check_known, label_names
from heygen_hf.tasks.video_classification.measuring import column_accuracies, figures, predict
from heygen_hf.tasks.video_classification.model import build_model, build_processor, known_classes

CLASS_FOLDER_COLUMN = "label"
"""What the names of class folders are called as a column."""

_USAGE = """\
import heygen_hf.models  # the Auto classes know its families then
from heygen_hf.data import decode_video
from transformers import AutoImageProcessor, AutoModelForVideoClassification

processor = AutoImageProcessor.from_pretrained(FOLDER)
model = AutoModelForVideoClassification.from_pretrained(FOLDER)
clip = decode_video("clip.mp4", processor=processor)
logits = model(**processor(clip)).logits
{answer}"""
_ONE = "print(model.config.id2label[logits.argmax(-1).item()])"
_SEVERAL = """\
names = model.config.id2label  # "column: value"; the largest score of each column is its answer
for column in {columns!r}:
    places = [place for place, name in names.items() if name.startswith(f"{{column}}: ")]
    print(names[max(places, key=lambda place: logits[0, place])])"""


def build(recipe: Recipe, *, exported: Path | None, is_main: bool) -> TaskParts:
    """The parts of a run; see `ModelTask`.

    Raises:
        ValueError: the data or the model cannot work, or do not fit each other.
    """
    _check_options(recipe)
    columns = recipe.data.label_columns or [CLASS_FOLDER_COLUMN]
    group_columns = recipe.evaluation.group_columns or columns
    if exported is None:
        processor = build_processor(recipe.processor, recipe.model.get("pretrained"))
    else:
        processor = VideoProcessor.from_pretrained(str(exported))

    # 1. Clips with all columns that are asked for; captions are of no use here, and need not be there.
    read = list(dict.fromkeys([*columns, *group_columns]))
    section = replace(recipe.data, label_columns=read, caption_column=None)
    data = prepare_data(section, processor=processor, seed=recipe.seed, is_main=is_main)

    # 2. Classes: of the exported model, of the recipe, of the pretrained model, or those of the training clips.
    if exported is not None:
        names = LabelNames.from_id2label(AutoConfig.from_pretrained(str(exported)).id2label, columns)
        knows = "the model's classes"
    else:
        names, knows = _classes(recipe, data, columns)
    check_known(data.test.labels, names, where="data.test", knows=knows)
    if data.validation is not None:
        check_known(data.validation.labels, names, where="data.validation", knows=knows)

    collator = VideoTextCollator(processor, label_columns=names.columns)

    def collate(items: list[Any]) -> dict[str, torch.Tensor]:
        batch = collator(items)
        return {"pixel_values": batch["pixel_values"], "labels": names.targets(batch["class_ids"])}

    def measure(model: Any) -> Any:
        predicted = predict(model, data.test, names=names, processor=processor, batch_size=recipe.evaluation.batch_size)
        shown = set(zip(*(data.labelled_train.labels[column] for column in group_columns), strict=True))
        return figures(predicted, data.test, seen=shown, group_columns=group_columns)

    return TaskParts(
        model_class=_model_class(recipe),
        build_model=lambda: build_model(recipe.model, names=names, processor=processor),
        train_dataset=data.train,
        eval_dataset=data.validation,
        collate=collate,
        processors=[processor],
        measure=measure,
        compute_metrics=lambda prediction: column_accuracies(prediction, names),
        data_name=data.source,
        reports=data.reports,
        num_workers=data.num_workers,
        usage=_USAGE.format(answer=_ONE if names.is_one_column else _SEVERAL.format(columns=columns)),
        data_note=_note(data, group_columns),
    )


def _check_options(recipe: Recipe) -> None:
    """Refuse what can be told from the recipe alone."""
    if recipe.data.streaming:
        raise ValueError(
            "data.streaming=true knows no clip's label beforehand, so the classes are unknown; set it to false."
        )
    if recipe.data.buckets is not None or recipe.data.bucket_resolutions is not None:
        raise ValueError("a classifier is trained on clips of one size, the processor's; leave data.buckets out.")
    if recipe.training.get("label_smoothing_factor") and len(recipe.data.label_columns) > 1:
        raise ValueError(
            f"training.label_smoothing_factor is for one label column, and data.label_columns names "
            f"{len(recipe.data.label_columns)}; leave it out, or train a model for each column."
        )


def _classes(recipe: Recipe, data: PreparedData, columns: Sequence[str]) -> tuple[LabelNames, str]:
    """The classes, and where they come from."""
    found = label_names(data.labelled_train.labels, columns)
    known = known_classes(recipe.model)
    if known is None:
        return found, "the training clips"
    if recipe.model.get("id2label"):
        names = LabelNames.from_id2label(known, columns)
        check_known(data.labelled_train.labels, names, where="data.train", knows="the classes of model.id2label")
        return names, "the classes of model.id2label"
    # A pretrained model's classes stay where they hold all of the data's.
    try:
        names = LabelNames.from_id2label(known, columns)
        check_known(data.labelled_train.labels, names, where="data.train", knows="the pretrained model's")
    except ValueError:
        return found, "the training clips"
    return names, "the pretrained model's classes"


def _model_class(recipe: Recipe) -> Any:
    """The class that the run's folder loads with."""
    if recipe.model.get("pretrained") is None:
        return ConvVideoEncoderForVideoClassification
    config = AutoConfig.from_pretrained(recipe.model["pretrained"])
    return MODEL_FOR_VIDEO_CLASSIFICATION_MAPPING[type(config)]


def _note(data: PreparedData, group_columns: Sequence[str]) -> str:
    """What a reader of the figures must know about the clips behind them."""
    notes = []
    if len(group_columns) > 1:
        notes.append(f"A combination of {', '.join(group_columns)} is seen where a training clip shows it.")
    return " ".join([*notes, *filter(None, [data.test_note])])


def _with_precision(recipe: Recipe) -> Recipe:
    """Our encoder is made of 3-D convolutions; a pretrained one need not be."""
    return recipe if recipe.model.get("pretrained") else float32_on_cpu(recipe)


TASK = ModelTask(name="video_classification", build=build, pipeline_tag="video-classification")


def run(recipe: Recipe, *, resume: str | None, overwrite: bool, command: Sequence[str] | None) -> TrainedRun:
    """Train what the recipe says; see `run_recipe`."""
    return TASK.run(_with_precision(recipe), resume=resume, overwrite=overwrite, command=command)


def plan(recipe: Recipe, *, measure: bool = True) -> dict[str, Any]:
    """What a run would do; see `heygen-hf plan`."""
    return TASK.plan(_with_precision(recipe), measure=measure)


def bare_training(recipe: Recipe) -> BareTraining:
    """Data and trainer alone, see `ModelTask.bare_training`."""
    return TASK.bare_training(recipe, complete=_with_precision)


evaluate = TASK.evaluate
