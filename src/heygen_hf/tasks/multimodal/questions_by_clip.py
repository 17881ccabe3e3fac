"""All questions about a clip in one batch, so that the clip is read once for all of them."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np
import torch
from torch.utils.data import Dataset
from transformers import PreTrainedTokenizerBase

from heygen_hf.tasks.multimodal.questions import ANSWER, QUESTION, QuestionClips


class QuestionsByClip(Dataset):
    """The clips of `samples` that are asked anything, each with all its questions.

    Items are `{"clip": item of the clip, "questions": [...], "answers": [...]}`.

    Args:
        samples: clips with questions, in the order of the clips.
    """

    def __init__(self, samples: QuestionClips) -> None:
        self.samples = samples
        self.clip_rows, self._first, self._count = np.unique(samples.rows, return_index=True, return_counts=True)

    def set_epoch(self, epoch: int) -> None:
        """See `QuestionClips.set_epoch`."""
        self.samples.set_epoch(epoch)

    def __len__(self) -> int:
        return len(self.clip_rows)

    def __getitem__(self, index: int) -> dict[str, Any]:
        return self.__getitems__([index])[0]

    def __getitems__(self, indices: Sequence[int]) -> list[dict[str, Any]]:
        return self.fetch(indices, epoch=self.samples.epoch)

    def fetch(self, indices: Sequence[int], *, epoch: int) -> list[dict[str, Any]]:
        """Items as a certain epoch shows them, whichever `set_epoch` chose."""
        self.samples.clips.set_epoch(epoch)
        clips = self.samples.clips.__getitems__([int(self.clip_rows[index]) for index in indices])
        return [self._ask_all(clip, int(index), epoch) for index, clip in zip(indices, clips, strict=True)]

    def _ask_all(self, clip: Mapping[str, Any], index: int, epoch: int) -> dict[str, Any]:
        first = int(self._first[index])
        asked = [self.samples.ask(clip, row, epoch) for row in range(first, first + int(self._count[index]))]
        item = {
            "clip": clip,
            "questions": [each[QUESTION] for each in asked],
            "answers": [each[ANSWER] for each in asked],
        }
        return item if "problems" not in clip else {**item, "problems": clip["problems"]}


class SharedClipCollator:
    """From items of `QuestionsByClip` to a batch of questions that share their clips by `clip_index`.

    Args:
        clips: makes the inputs of the clips, without text.
        tokenizer: of the questions, cut at its `model_max_length`.
        targets: makes the labels of the answers.

    Returns (from a call):
        `input_ids` and `attention_mask` `(questions, tokens)`, `clip_index` `(questions,)`, `labels`, and the inputs of
        the clips, `(clips, ...)`.
    """

    def __init__(
        self,
        clips: Callable[[Sequence[Mapping[str, Any]]], dict[str, torch.Tensor]],
        tokenizer: PreTrainedTokenizerBase,
        targets: Callable[[Sequence[Any]], torch.Tensor],
    ) -> None:
        self.clips, self.tokenizer, self.targets = clips, tokenizer, targets

    def __call__(self, items: Sequence[Mapping[str, Any]]) -> dict[str, torch.Tensor]:
        questions = [question for item in items for question in item["questions"]]
        read = self.tokenizer(questions, padding=True, truncation=True, return_tensors="pt")
        counts = torch.tensor([len(item["questions"]) for item in items])
        return {
            "input_ids": read["input_ids"],
            "attention_mask": read["attention_mask"],
            "clip_index": torch.arange(len(items)).repeat_interleave(counts),
            **self.clips([item["clip"] for item in items]),
            "labels": self.targets([answer for item in items for answer in item["answers"]]),
        }


__all__ = ["QuestionsByClip", "SharedClipCollator"]
