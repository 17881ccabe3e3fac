"""How many questions about test clips are answered rightly: each question apart, seen and unseen combinations apart."""

from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from dataclasses import replace
from typing import Any

import torch
from transformers import PreTrainedModel, PreTrainedTokenizerBase

from heygen_hf.evaluation.text_metrics.written_text import split_words
from heygen_hf.hub import MetricResult
from heygen_hf.tasks.model_training import share_figure
from heygen_hf.tasks.multimodal.combinations import groups_of
from heygen_hf.tasks.multimodal.data import FusionData
from heygen_hf.tasks.multimodal.questions import Question, QuestionClips, has_answers
from heygen_hf.tasks.multimodal.writing import batches_of, evenly_spread

HELD_OUT = "wordings held out of training"

_MOST_QUESTIONS_APART = 10  # of the metadata; more would make a table nobody reads


def measure_answers(
    model: PreTrainedModel,
    *,
    data: FusionData,
    questions: Sequence[Question],
    question_column: str | None,
    answer_column: str | None,
    label_columns: Sequence[str],
    collate: Callable[[list[Any]], dict[str, torch.Tensor]],
    tokenizer: PreTrainedTokenizerBase,
    max_new_tokens: int | None,
    batch_size: int,
    max_clips: int | None,
    seed: int,
) -> list[MetricResult]:
    """Figures of the test clips; written answers are compared word by word, picked ones as they are.

    A question that no test clip answers is a figure without a value.
    """

    def ask(samples: QuestionClips, rows: list[int]) -> list[bool]:
        options: dict[str, Any] = {}
        if max_new_tokens is not None:
            options = {"max_new_tokens": max_new_tokens, "do_sample": False, "num_beams": 1}
        given: list[str] = []
        for batch in batches_of(samples, rows, collate, batch_size=batch_size):
            batch = {name: value.to(model.device) for name, value in batch.items()}
            given += model.answer(tokenizer=tokenizer, **batch, **options)
        wanted = [samples.answers[row] for row in rows]
        if max_new_tokens is None:
            return [answer == right for answer, right in zip(given, wanted, strict=True)]
        return [split_words(answer) == split_words(right) for answer, right in zip(given, wanted, strict=True)]

    groups = groups_of(data.test.labels, label_columns, train=data.train.labels) if label_columns else None
    figures: list[MetricResult] = []
    if question_column is not None:
        columns = {"question_column": question_column, "answer_column": answer_column}
        if not has_answers(data.test, *filter(None, columns.values())):
            return [_not_measured("answers", data)]
        trained = set(QuestionClips(data.train, **columns).answers)
        samples = QuestionClips(data.test, **columns)
        rows = evenly_spread(len(samples), max_clips)
        right = ask(samples, rows)
        note = _note_on_unknown(samples, rows, trained, writes=max_new_tokens is not None)
        figures += _grouped("answers", right, samples.rows[rows], groups, note=note)
        asked = [str(data.test.labels[question_column][clip]) for clip in samples.rows[rows].tolist()]
        if 1 < len(set(asked)) <= _MOST_QUESTIONS_APART:
            for question, count in Counter(asked).most_common():
                hits = [hit for hit, its_question in zip(right, asked, strict=True) if its_question == question]
                figures.append(share_figure(f"answers to {question!r}", sum(hits), count))
        return figures

    # What any question is answered by in training may answer every other one too: the classes are theirs together.
    trained = set(QuestionClips(data.train, questions).answers)
    for question in questions:
        name = f"answers about {question.answer_column}"
        if not has_answers(data.test, question.answer_column):
            figures.append(_not_measured(name, data))
            continue
        samples = QuestionClips(data.test, [replace(question, times=1)], seed=seed)
        rows = evenly_spread(len(samples), max_clips)
        note = _note_on_unknown(samples, rows, trained, writes=max_new_tokens is not None)
        figures += _grouped(name, ask(samples, rows), samples.rows[rows], groups, note=note)
        if question.held_out:
            other = Question(question=question.held_out, answer_column=question.answer_column)
            samples = QuestionClips(data.test, [other], seed=seed)
            hits = ask(samples, rows)
            figures.append(share_figure(name, sum(hits), len(hits), group=HELD_OUT))
    return figures


def _not_measured(name: str, data: FusionData) -> MetricResult:
    return share_figure(name, 0, 0, note=f"no {data.measured_split} clip has an answer")


def _grouped(
    name: str, right: Sequence[bool], clips: Iterable[int], groups: Sequence[str] | None, *, note: str | None
) -> list[MetricResult]:
    if groups is None:
        return [share_figure(name, sum(right), len(right), note=note)]
    figures = []
    own_groups = [groups[clip] for clip in clips]
    for group in sorted(set(own_groups)):
        hits = [hit for hit, own in zip(right, own_groups, strict=True) if own == group]
        figures.append(share_figure(name, sum(hits), len(hits), group=group, note=note))
    return figures


def _note_on_unknown(samples: QuestionClips, rows: Sequence[int], trained: set[str], *, writes: bool) -> str | None:
    answers = samples.answers
    unknown = sum(answers[row] not in trained for row in rows)
    if not unknown:
        return None
    consequence = "" if writes else " and count as wrong"
    return f"{unknown} of {len(rows)} answers occur in no training clip{consequence}"


__all__ = ["HELD_OUT", "measure_answers"]
