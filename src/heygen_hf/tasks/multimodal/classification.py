"""Label columns from any of video, caption and sound, fused early, late or through bottleneck tokens."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

from heygen_hf.evaluation.attribute_accuracy.labelled_clips import class_names, read_labels
from heygen_hf.models.multimodal_fusion import MultimodalFusionConfig, MultimodalFusionForClassification
from heygen_hf.tasks.clip_data import ProcessorSection
from heygen_hf.tasks.model_training import HubSection, ModelTask, TaskParts
from heygen_hf.tasks.multimodal.classification_figures import (
    ClassificationEvaluationSection,
    column_accuracy,
    measure,
)
from heygen_hf.tasks.multimodal.collator import FusionCollator
from heygen_hf.tasks.multimodal.data import (
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


@dataclass(kw_only=True)
class ClassificationDataSection(MultimodalDataSection):
    """`MultimodalDataSection`, and what the captions may say.

    Args:
        hidden_words: a caption that names a label gives its class away. "some": the words of some label columns, drawn
            anew for each sample and epoch, are hidden in its caption; the figures hide one column at a time and count
            that column alone. "all": of all label columns; "none": captions stay as they are.
    """

    hidden_words: HiddenWords = "some"


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
run, evaluate, plan, bare_training = TASK.run, TASK.evaluate, TASK.plan, TASK.bare_training
SECTIONS: dict[str, Any] = {
    "model": FusionModelSection,
    "data": ClassificationDataSection,
    "processor": ProcessorSection,
    "training": SupervisedTrainingArguments,
    "evaluation": ClassificationEvaluationSection,
    "hub": HubSection,
}

__all__ = ["SECTIONS", "TASK", "bare_training", "build", "evaluate", "plan", "run"]
