"""Clips and captions that find each other: contrastive training, retrieval and zero-shot classification."""

from functools import partial
from pathlib import Path

from heygen_hf.models.multimodal_fusion import MultimodalFusionForContrastiveLearning
from heygen_hf.tasks.clip_data import ProcessorSection
from heygen_hf.tasks.model_training import HubSection, ModelTask, TaskParts
from heygen_hf.tasks.multimodal.collator import FusionCollator
from heygen_hf.tasks.multimodal.data import (
    MultimodalDataSection,
    check_modalities,
    open_fusion_data,
    open_tokenizer,
    validation_with_captions,
)
from heygen_hf.tasks.multimodal.label_smoothing import refuse_label_smoothing
from heygen_hf.tasks.multimodal.label_texts import check_label_template
from heygen_hf.tasks.multimodal.model import FusionModelSection, build_fusion_model, modalities_of
from heygen_hf.tasks.multimodal.retrieval_figures import RetrievalEvaluationSection, measure
from heygen_hf.tasks.multimodal.writing import load_processor
from heygen_hf.tasks.recipe import Recipe
from heygen_hf.training import SupervisedTrainingArguments


def build(recipe: Recipe, *, exported: Path | None, is_main: bool) -> TaskParts:
    """Everything the run needs; with `exported`, the tokenizer and the processor that were saved there.

    Raises:
        ValueError: a model that does not read text and video, no captions, a template that names no label.
    """
    _check(recipe)
    processor = load_processor(recipe.processor, exported=exported)
    data = open_fusion_data(recipe, processor=processor, is_main=is_main, needs_captions=True)
    tokenizer = open_tokenizer(recipe, data.captions, exported=exported)
    assert tokenizer is not None
    collate = FusionCollator(processor, tokenizer)
    check_modalities(recipe, data, collate)
    return TaskParts(
        model_class=MultimodalFusionForContrastiveLearning,
        build_model=lambda: build_fusion_model(
            MultimodalFusionForContrastiveLearning, recipe.model, tokenizer=tokenizer, processor=processor
        ),
        train_dataset=data.train,
        eval_dataset=validation_with_captions(data),
        collate=collate,
        processors=(tokenizer, processor),
        measure=partial(measure, recipe=recipe, data=data, collate=collate, tokenizer=tokenizer),
        data_name=data.source,
        reports=data.reports,
        num_workers=data.num_workers,
        usage=_USAGE,
        data_note=data.note,
    )


def _check(recipe: Recipe) -> None:
    refuse_label_smoothing(recipe)
    missing = [name for name in ("text", "video") if name not in modalities_of(recipe.model)]
    if missing:
        raise ValueError(
            f"retrieval compares clips with captions, and the model reads no {missing[0]}: give model."
            f"{missing[0]}_config (an empty mapping takes the defaults)"
        )
    if recipe.evaluation.label_template is not None:
        check_label_template(recipe.evaluation.label_template, recipe.data.label_columns)


_USAGE = """\
from heygen_hf import MultimodalFusionForContrastiveLearning, VideoProcessor
from heygen_hf.data import decode_video
from transformers import AutoTokenizer

model = MultimodalFusionForContrastiveLearning.from_pretrained(FOLDER).eval()
processor = VideoProcessor.from_pretrained(FOLDER)
tokenizer = AutoTokenizer.from_pretrained(FOLDER)
clip = processor(decode_video("clip.mp4", processor=processor))
texts = ["a first caption", "a second caption"]
print(dict(zip(texts, model.zero_shot(texts, tokenizer=tokenizer, **clip)[0].tolist())))
"""

TASK = ModelTask(name="video_text_retrieval", build=build, pipeline_tag="zero-shot-classification")
run, evaluate, plan, bare_training = TASK.run, TASK.evaluate, TASK.plan, TASK.bare_training
SECTIONS = {
    "model": FusionModelSection,
    "data": MultimodalDataSection,
    "processor": ProcessorSection,
    "training": SupervisedTrainingArguments,
    "evaluation": RetrievalEvaluationSection,
    "hub": HubSection,
}

__all__ = ["SECTIONS", "TASK", "bare_training", "build", "evaluate", "plan", "run"]
