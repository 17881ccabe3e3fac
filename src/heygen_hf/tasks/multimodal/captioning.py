"""Captions written for clips, measured on test clips against their own captions."""

from collections.abc import Sequence
from functools import partial
from pathlib import Path

from transformers import PreTrainedModel, PreTrainedTokenizerBase

from heygen_hf.data.clips.text_targets import TextTargetCollator, TextTargets
from heygen_hf.evaluation.text_metrics.written_text import written_text_accuracy
from heygen_hf.hub import MetricResult
from heygen_hf.models.multimodal_fusion import MultimodalFusionForCaptioning
from heygen_hf.tasks.clip_data import ProcessorSection
from heygen_hf.tasks.model_training import HubSection, ModelTask, TaskParts, share_figure
from heygen_hf.tasks.multimodal.collator import FusionCollator
from heygen_hf.tasks.multimodal.combinations import groups_of
from heygen_hf.tasks.multimodal.data import (
    FusionData,
    MultimodalDataSection,
    check_modalities,
    joined_notes,
    open_fusion_data,
    validation_with_captions,
)
from heygen_hf.tasks.multimodal.label_smoothing import refuse_label_smoothing
from heygen_hf.tasks.multimodal.model import FusionModelSection, build_fusion_model, modalities_of, text_encoder_names
from heygen_hf.tasks.multimodal.writing import (
    WritingEvaluationSection,
    batches_of,
    evenly_spread,
    figure_of,
    likeliest,
    load_processor,
    token_metrics,
    tokenizer_with_end,
    write_texts,
)
from heygen_hf.tasks.recipe import Recipe
from heygen_hf.training import SupervisedTrainingArguments


def build(recipe: Recipe, *, exported: Path | None, is_main: bool) -> TaskParts:
    """Everything the run needs; with `exported`, the tokenizer and the processor that were saved there.

    Raises:
        ValueError: no captions, or a model that cannot write them.
    """
    _check(recipe)
    processor = load_processor(recipe.processor, exported=exported)
    data = open_fusion_data(recipe, processor=processor, is_main=is_main, needs_captions=True)
    names = [recipe.data.tokenizer, *text_encoder_names(recipe.model)]
    tokenizer = tokenizer_with_end(next(filter(None, names), None), data.captions, exported=exported)
    targets = TextTargets(tokenizer, max_length=recipe.data.max_caption_tokens)

    # What cannot be learned from is left out, and said.
    report = targets.check(data.captions)
    if len(report.empty) == report.num_texts:
        raise ValueError(
            f"all of the {report.num_texts} training captions are empty, so there is nothing to write; set "
            "data.caption_column to the column that has them"
        )
    said = report.summary(what="training captions", max_length=targets.max_length)
    if said and is_main:
        print(said)
    inputs = FusionCollator(processor, None)
    check_modalities(recipe, data, inputs)
    collate = TextTargetCollator(inputs, targets)
    max_new_tokens = recipe.evaluation.max_new_tokens or report.longest

    def build_model() -> MultimodalFusionForCaptioning:
        model = build_fusion_model(
            MultimodalFusionForCaptioning, recipe.model, tokenizer=tokenizer, processor=processor
        )
        # `generate` of the exported model ends where the longest caption does.
        model.generation_config.max_new_tokens = max_new_tokens
        return model

    return TaskParts(
        model_class=MultimodalFusionForCaptioning,
        build_model=build_model,
        train_dataset=data.train,
        eval_dataset=validation_with_captions(data),
        collate=collate,
        processors=(tokenizer, processor),
        measure=partial(
            measure, recipe=recipe, data=data, collate=collate, tokenizer=tokenizer, max_new_tokens=max_new_tokens
        ),
        compute_metrics=token_metrics,
        preprocess_logits_for_metrics=likeliest,
        count_tokens=lambda batch: batch["labels"].numel(),
        data_name=data.source,
        reports=data.reports,
        num_workers=data.num_workers,
        usage=_USAGE,
        data_note=joined_notes(data.note, said),
    )


def measure(
    model: PreTrainedModel,
    *,
    recipe: Recipe,
    data: FusionData,
    collate: TextTargetCollator,
    tokenizer: PreTrainedTokenizerBase,
    max_new_tokens: int,
) -> list[MetricResult]:
    """Captions of test clips word for word, and the words in them that name a label; greedy."""
    section = recipe.evaluation
    columns, test = recipe.data.label_columns, data.test
    rows = [row for row, text in enumerate(test.texts) if text.strip()]
    if not rows:
        note = f"no {data.measured_split} clip has a caption"
        return [share_figure("caption exact match", 0, 0, note=note, metric_type="exact_match")]
    rows = [rows[place] for place in evenly_spread(len(rows), section.max_clips)]
    groups = groups_of(test.labels, columns, train=data.train.labels) if columns else None
    written = write_texts(
        model,
        batches_of(test, rows, collate, batch_size=section.batch_size),
        tokenizer=tokenizer,
        max_new_tokens=max_new_tokens,
    )
    accuracy = written_text_accuracy(
        written,
        [test.texts[row] for row in rows],
        columns={column: sorted(set(data.train.labels[column])) for column in columns},
        groups=None if groups is None else [groups[row] for row in rows],
    )
    figures: list[MetricResult] = []
    for group, found in accuracy["groups"].items() if groups else [(None, accuracy)]:
        figures.append(figure_of("caption exact match", found["exact_match"], group=group, metric_type="exact_match"))
        figures += [
            figure_of(f"{column} in the caption", figure, group=group)
            for column, figure in found["columns"].items()
            if figure["count"]  # captions need not name every label
        ]
    return figures


def _check(recipe: Recipe) -> None:
    refuse_label_smoothing(recipe)
    read: Sequence[str] = modalities_of(recipe.model)
    if "text" in read:
        raise ValueError(
            "a captioning model reads the clip alone: drop model.text_config and text_encoder, or use "
            "task: video_question_answering for texts to read"
        )
    if "video" not in read:
        raise ValueError("captions are of clips: give model.video_config (an empty mapping takes the defaults)")
    if recipe.model.get("decoder_config") is None and recipe.model.get("decoder") is None:
        raise ValueError("captions need a decoder: give model.decoder_config (an empty mapping takes the defaults)")
    if recipe.data.caption_column is None:
        raise ValueError("data.caption_column is empty; name the column with the captions to write")


_USAGE = """\
from heygen_hf import MultimodalFusionForCaptioning, VideoProcessor
from heygen_hf.data import decode_video
from transformers import AutoTokenizer

model = MultimodalFusionForCaptioning.from_pretrained(FOLDER).eval()
processor = VideoProcessor.from_pretrained(FOLDER)
tokenizer = AutoTokenizer.from_pretrained(FOLDER)
clip = processor(decode_video("clip.mp4", processor=processor))
print(tokenizer.batch_decode(model.generate(**clip, do_sample=False), skip_special_tokens=True))
"""

TASK = ModelTask(name="video_captioning", build=build, pipeline_tag="video-text-to-text")
run, evaluate, plan, bare_training = TASK.run, TASK.evaluate, TASK.plan, TASK.bare_training
SECTIONS = {
    "model": FusionModelSection,
    "data": MultimodalDataSection,
    "processor": ProcessorSection,
    "training": SupervisedTrainingArguments,
    "evaluation": WritingEvaluationSection,
    "hub": HubSection,
}

__all__ = ["SECTIONS", "TASK", "bare_training", "build", "evaluate", "measure", "plan", "run"]
