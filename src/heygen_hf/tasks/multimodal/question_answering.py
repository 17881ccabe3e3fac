"""Questions about clips, answered by picking one of the training answers or by writing; measured on test clips."""

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path
from typing import Any

from transformers import AutoConfig, PreTrainedModel

from heygen_hf.data import check_captions, class_names
from heygen_hf.data.clips.text_targets import AnswerNumbers, TextTargetCollator, TextTargets
from heygen_hf.hub import MetricResult
from heygen_hf.hub.card.text import python_literal
from heygen_hf.models.multimodal_fusion import MultimodalFusionForQuestionAnswering
from heygen_hf.tasks.clip_data import ProcessorSection
from heygen_hf.tasks.model_training import HubSection, ModelTask, TaskParts
from heygen_hf.tasks.multimodal.answer_figures import measure_answers
from heygen_hf.tasks.multimodal.collator import FusionCollator
from heygen_hf.tasks.multimodal.data import (
    FusionData,
    MultimodalDataSection,
    check_modalities,
    joined_notes,
    open_fusion_data,
)
from heygen_hf.tasks.multimodal.label_smoothing import refuse_label_smoothing
from heygen_hf.tasks.multimodal.model import FusionModelSection, build_fusion_model, modalities_of, text_encoder_names
from heygen_hf.tasks.multimodal.questions import ANSWER, QUESTION, Question, QuestionClips
from heygen_hf.tasks.multimodal.questions_by_clip import QuestionsByClip, SharedClipCollator
from heygen_hf.tasks.multimodal.writing import (
    WritingEvaluationSection,
    likeliest,
    load_processor,
    number_metrics,
    token_metrics,
    tokenizer_with_end,
)
from heygen_hf.tasks.recipe import Recipe
from heygen_hf.training import SupervisedTrainingArguments


@dataclass(kw_only=True)
class QuestionDataSection(MultimodalDataSection):
    """The clips of a `MultimodalDataSection`, and the questions about them.

    Args:
        questions: each asked of every clip and answered by a label column.
        question_column, answer_column: or columns of the metadata, with a question and an answer for each clip.
        max_answer_tokens: longer answers are cut where they are written, and questions at `max_caption_tokens`; both
            are counted and said.
    """

    caption_column: str | None = None
    questions: list[Question] = field(default_factory=list)
    question_column: str | None = None
    answer_column: str | None = None
    max_answer_tokens: int = 32

    def __post_init__(self) -> None:
        super().__post_init__()
        if (self.question_column is None) != (self.answer_column is None):
            raise ValueError("question_column and answer_column go together; set both, or questions")
        if bool(self.questions) == (self.question_column is not None):
            raise ValueError("set either questions, or question_column and answer_column")

    @property
    def asked_columns(self) -> list[str]:
        """The columns that questions and answers are in."""
        if self.questions:
            return list(dict.fromkeys(question.answer_column for question in self.questions))
        return [name for name in (self.question_column, self.answer_column) if name is not None]


def build(recipe: Recipe, *, exported: Path | None, is_main: bool) -> TaskParts:
    """Everything the run needs; with `exported`, the tokenizer, processor and answers that were saved there.

    Raises:
        ValueError: nothing to ask or to answer, or a model that cannot.
    """
    _check(recipe)
    section: QuestionDataSection = recipe.data
    processor = load_processor(recipe.processor, exported=exported)
    columns = list(dict.fromkeys([*section.label_columns, *section.asked_columns]))
    opened = replace(recipe, data=replace(section, label_columns=columns))
    data = open_fusion_data(opened, processor=processor, is_main=is_main)
    ask = partial(
        QuestionClips,
        question_column=section.question_column,
        answer_column=section.answer_column,
        seed=recipe.seed,
    )
    train = ask(data.train, section.questions)
    names = [section.tokenizer, *text_encoder_names(recipe.model)]
    texts = [*_questions_of(data, section), *sorted(set(train.answers))]
    tokenizer = tokenizer_with_end(next(filter(None, names), None), texts, exported=exported)

    tokenizer.model_max_length = min(tokenizer.model_max_length, section.max_caption_tokens)

    # What cannot be learned from is left out, and said.
    said = [f"{train.num_unanswered} of the training samples have no answer and are left out"]
    said = said if train.num_unanswered else []
    cut = check_captions(_questions_of(data, section), tokenizer, tokenizer.model_max_length)
    if cut.tokens_lost:
        said.append(
            f"{len(cut.tokens_lost)} questions are longer than {cut.max_length} tokens and cut: {cut.num_tokens_lost} "
            "tokens are lost"
        )
    writes = recipe.model.get("answer_by") == "generation"
    options: dict[str, Any] = {}
    known: list[str] | None = None
    targets: TextTargets | AnswerNumbers
    if writes:
        targets = TextTargets(tokenizer, max_length=section.max_answer_tokens)
        report = targets.check(train.answers)
        said += filter(None, [report.summary(what="training answers", max_length=targets.max_length)])
        if not report.longest:
            raise ValueError("the tokenizer has no token for any training answer, so there is nothing to learn")
        max_new_tokens = recipe.evaluation.max_new_tokens or report.longest
    else:
        known = class_names(train.answers) if exported is None else _saved_answers(exported)
        if len(known) < 2:
            raise ValueError(
                f"every training answer is {known[0]!r}: there is nothing to tell apart; ask something else"
            )
        targets = AnswerNumbers(known)
        options = {"id2label": dict(enumerate(known)), "label2id": {name: i for i, name in enumerate(known)}}
        max_new_tokens = None
    if said and is_main:
        print("; ".join(said))
    once = [replace(question, times=1) for question in section.questions]
    validation = None if data.validation is None else _or_none(partial(ask, data.validation, once, answers=known))
    inputs = FusionCollator(processor, tokenizer)
    collate = TextTargetCollator(inputs, targets, target_column=ANSWER, question_column=QUESTION)
    check_modalities(recipe, replace(data, train=train), collate)  # type: ignore[arg-type]

    def build_model() -> MultimodalFusionForQuestionAnswering:
        model = build_fusion_model(
            MultimodalFusionForQuestionAnswering, recipe.model, tokenizer=tokenizer, processor=processor, **options
        )
        if writes:
            # Answers of the exported model end where the longest one does.
            model.generation_config.max_new_tokens = max_new_tokens
        return model

    return TaskParts(
        model_class=MultimodalFusionForQuestionAnswering,
        build_model=build_model,
        train_dataset=QuestionsByClip(train),
        eval_dataset=validation,
        collate=SharedClipCollator(FusionCollator(processor, None), tokenizer, targets),
        eval_collate=collate,
        processors=(tokenizer, processor),
        measure=partial(
            _measure,
            recipe=recipe,
            data=data,
            collate=collate,
            tokenizer=tokenizer,
            max_new_tokens=max_new_tokens,
        ),
        compute_metrics=token_metrics if writes else number_metrics,
        preprocess_logits_for_metrics=likeliest,
        data_name=data.source,
        reports=data.reports,
        num_workers=data.num_workers,
        usage=_USAGE.replace("QUESTION", python_literal(_questions_of(data, section)[0])),
        data_note=joined_notes(data.note, *said),
    )


def _measure(model: PreTrainedModel, *, recipe: Recipe, data: FusionData, **reading: Any) -> list[MetricResult]:
    section: QuestionDataSection = recipe.data
    columns = section.label_columns
    if not columns and section.questions:
        columns = section.asked_columns
    return measure_answers(
        model,
        data=data,
        questions=section.questions,
        question_column=section.question_column,
        answer_column=section.answer_column,
        label_columns=columns,
        batch_size=recipe.evaluation.batch_size,
        max_clips=recipe.evaluation.max_clips,
        seed=recipe.seed,
        **reading,
    )


def _questions_of(data: FusionData, section: QuestionDataSection) -> list[str]:
    """Every question of training, once."""
    if section.questions:
        return [wording for question in section.questions for wording in question.wordings]
    assert section.question_column is not None
    asked = data.train.labels[section.question_column]
    return list(dict.fromkeys(str(question) for question in asked if question))


def _saved_answers(exported: Path) -> list[str]:
    names = AutoConfig.from_pretrained(str(exported)).id2label
    return [names[number] for number in range(len(names))]


def _or_none(make: Any) -> QuestionClips | None:
    """The questions about the validation clips; None where none of them can be answered."""
    try:
        samples: QuestionClips = make()
    except ValueError:
        return None
    return samples if len(samples) else None


def _check(recipe: Recipe) -> None:
    read: Sequence[str] = modalities_of(recipe.model)
    if "text" not in read:
        raise ValueError("a question has to be read: give model.text_config (an empty mapping takes the defaults)")
    if len(read) < 2:
        raise ValueError("questions are about clips: give model.video_config (an empty mapping takes the defaults)")
    decodes = recipe.model.get("decoder_config") is not None or recipe.model.get("decoder") is not None
    writes = recipe.model.get("answer_by") == "generation"
    refuse_label_smoothing(recipe, use_instead=None if writes else "model.label_smoothing")
    if writes and not decodes:
        raise ValueError("answer_by: generation writes with a decoder: give model.decoder_config, or classification")


_USAGE = """\
from heygen_hf import MultimodalFusionForQuestionAnswering, VideoProcessor
from heygen_hf.data import decode_video
from transformers import AutoTokenizer

model = MultimodalFusionForQuestionAnswering.from_pretrained(FOLDER).eval()
processor = VideoProcessor.from_pretrained(FOLDER)
tokenizer = AutoTokenizer.from_pretrained(FOLDER)
clip = processor(decode_video("clip.mp4", processor=processor))
question = tokenizer([QUESTION], return_tensors="pt")
print(model.answer(tokenizer=tokenizer, **question, **clip))
"""

TASK = ModelTask(name="video_question_answering", build=build, pipeline_tag="visual-question-answering")
run, evaluate, plan, bare_training = TASK.run, TASK.evaluate, TASK.plan, TASK.bare_training
SECTIONS = {
    "model": FusionModelSection,
    "data": QuestionDataSection,
    "processor": ProcessorSection,
    "training": SupervisedTrainingArguments,
    "evaluation": WritingEvaluationSection,
    "hub": HubSection,
}

__all__ = ["SECTIONS", "TASK", "QuestionDataSection", "bare_training", "build", "evaluate", "plan", "run"]
