"""Questions about clips: generated from label columns, or written in the metadata."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import torch
from torch.utils.data import Dataset

from heygen_hf.processing import draw_below, fold_seed
from heygen_hf.tasks.multimodal.samples import FusionSamples

QUESTION, ANSWER = "question", "answer"  # what items of `QuestionClips` add to a clip's

_WORDING_STREAM = 5  # those of frames, crops and augmentation of the same seed are 1 to 4


@dataclass(kw_only=True)
class Question:
    """A question that a label column answers.

    Args:
        question: its wording, or several, of which each sample of an epoch is given one.
        answer_column: the label column with the answer.
        held_out: wordings that training never sees, to measure whether others than its own are understood.
        times: how often each clip is asked it in one epoch, in training: harder questions more often.
    """

    question: str | list[str]
    answer_column: str
    held_out: list[str] = field(default_factory=list)
    times: int = 1

    def __post_init__(self) -> None:
        if not self.wordings or not all(wording.strip() for wording in [*self.wordings, *self.held_out]):
            raise ValueError(f"the question about {self.answer_column!r} has an empty wording; write it out")
        if self.times < 1:
            raise ValueError(f"times must be at least 1, got {self.times}")
        both = set(self.wordings) & set(self.held_out)
        if both:
            raise ValueError(f"held_out repeats {sorted(both)[0]!r}, which training sees; leave it out of one of them")

    @property
    def wordings(self) -> list[str]:
        """Those of training."""
        return [self.question] if isinstance(self.question, str) else list(self.question)


class QuestionClips(Dataset):
    """Every clip with every question about it, `times` over: items are a clip's, with `question` and `answer`.

    Which wording a question has is decided by (seed, epoch, index) alone. What has no answer is left out and counted.

    Args:
        clips: with the answers among their labels.
        questions: asked of every clip; None where each clip has its own, in `question_column` and `answer_column`.
        seed: of the wordings.
        answers: leave out what is answered otherwise, say because no training clip is; None keeps all.

    Attributes:
        rows, numbers: int64 `(samples,)`: which clip, and which of the questions.
        num_unanswered: pairs of a clip and a question left out for want of a question or an answer.
        num_unknown: those left out because their answer is none of `answers`.

    Raises:
        ValueError: nothing has an answer.
    """

    def __init__(
        self,
        clips: FusionSamples,
        questions: Sequence[Question] | None = None,
        *,
        question_column: str | None = None,
        answer_column: str | None = None,
        seed: int = 0,
        answers: Sequence[str] | None = None,
    ) -> None:
        self.clips, self.questions, self.seed = clips, list(questions or ()), seed
        self.question_column = question_column
        if bool(self.questions) == (question_column is not None):
            raise ValueError("give either questions, or question_column with answer_column")
        columns = [question.answer_column for question in self.questions] or [answer_column]
        answered = np.array([[_has_text(value) for value in clips.labels[column]] for column in columns]).T
        if question_column is not None:
            answered &= np.array([[_has_text(value)] for value in clips.labels[question_column]])
        self.num_unanswered = int((~answered).sum())
        wanted = answered
        if answers is not None:
            known = set(answers)
            wanted = answered & np.array([[str(value) in known for value in clips.labels[name]] for name in columns]).T
        self.num_unknown = int((answered & ~wanted).sum())
        self._columns = columns
        times = np.array([question.times for question in self.questions] or [1])
        self.rows, self.numbers = np.nonzero(wanted)
        self.rows = np.repeat(self.rows, times[self.numbers])
        self.numbers = np.repeat(self.numbers, times[self.numbers])
        if not answered.any():
            raise ValueError(
                f"no clip has an answer: the columns {', '.join(map(repr, columns))} are empty; fill them in, or name "
                "others in data.questions or data.answer_column"
            )
        # in shared memory, so that workers that outlive an epoch see it change
        self._epoch = torch.zeros((), dtype=torch.int64).share_memory_()

    def set_epoch(self, epoch: int) -> None:
        """Choose the epoch whose wordings, random frames and crops the items show."""
        self._epoch.fill_(epoch)

    @property
    def epoch(self) -> int:
        return int(self._epoch)

    @property
    def answers(self) -> list[str]:
        """The answer of each sample."""
        pairs = zip(self.rows.tolist(), self.numbers.tolist(), strict=True)
        return [str(self.clips.labels[self._columns[number]][row]) for row, number in pairs]

    def __len__(self) -> int:
        return len(self.rows)

    def __getitem__(self, index: int) -> dict[str, Any]:
        return self.__getitems__([index])[0]

    def __getitems__(self, indices: Sequence[int]) -> list[dict[str, Any]]:
        return self.fetch(indices, epoch=self.epoch)

    def fetch(self, indices: Sequence[int], *, epoch: int) -> list[dict[str, Any]]:
        """Items as a certain epoch shows them, whichever `set_epoch` chose."""
        self.clips.set_epoch(epoch)
        items = self.clips.__getitems__([int(self.rows[index]) for index in indices])
        return [self.ask(item, int(index), epoch) for index, item in zip(indices, items, strict=True)]

    def ask(self, item: Mapping[str, Any], index: int, epoch: int) -> dict[str, Any]:
        """The clip `item` with the question and the answer of sample `index` in an epoch."""
        number = int(self.numbers[index])
        # From the item, not the table: a flip may have changed its labels, or another clip stand in for it.
        answer = item[self._columns[number]]
        if self.question_column is not None:
            question = item[self.question_column]
        else:
            wordings = self.questions[number].wordings
            question = wordings[draw_below(len(wordings), fold_seed(self.seed, epoch, index), _WORDING_STREAM)]
        return {**item, QUESTION: str(question or ""), ANSWER: str(answer or "")}


def has_answers(samples: FusionSamples, *columns: str) -> bool:
    """Whether some sample has a text in all of these label columns."""
    return any(all(map(_has_text, values)) for values in zip(*(samples.labels[name] for name in columns), strict=True))


def _has_text(value: Any) -> bool:
    return value is not None and bool(str(value).strip())
