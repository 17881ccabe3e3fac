"""Texts that a model is to write, as `labels`: captions, or the answers to questions."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import torch

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerBase

IGNORED = -100  # the label that the losses of torch and transformers leave out


@dataclass
class TargetReport:
    """What became of a set of texts to write; rows are counted from 0.

    Attributes:
        num_texts: all of them.
        empty: rows with no text, or nothing but spaces, from which there is nothing to learn.
        tokens_lost: row → tokens beyond the limit, where a text is too long.
        longest: tokens of the longest target, the end included.
    """

    num_texts: int = 0
    empty: list[int] = field(default_factory=list)
    tokens_lost: dict[int, int] = field(default_factory=dict)
    longest: int = 0

    def summary(self, *, what: str = "texts", max_length: int | None = None) -> str:
        """One line to print; "" where there is nothing to say."""
        said = []
        if self.empty:
            said.append(f"{len(self.empty)} of {self.num_texts} {what} are empty and left out")
        if self.tokens_lost:
            lost = sum(self.tokens_lost.values())
            said.append(
                f"{len(self.tokens_lost)} of {self.num_texts} {what} are longer than {max_length} tokens and cut: "
                f"{lost} tokens are lost"
            )
        return "; ".join(said)


class TextTargets:
    """Texts → `labels`: a text's tokens and the one that ends it, nothing before them, -100 for padding.

    Args:
        tokenizer: of the model that writes.
        max_length: the most tokens of a text, its end included; what is beyond is cut, see `check`. None keeps all.

    Raises:
        ValueError: the tokenizer has no end token, so that a text would never end; or no token fits in.
    """

    def __init__(self, tokenizer: "PreTrainedTokenizerBase", *, max_length: int | None = None) -> None:
        if tokenizer.eos_token_id is None:
            raise ValueError(
                f"the tokenizer ({type(tokenizer).__name__}, {len(tokenizer)} tokens) has no end token, so nothing it "
                "writes would end; set its eos_token and save it again, or leave data.tokenizer out"
            )
        if max_length is not None and max_length < 2:
            raise ValueError(f"max_length={max_length} has no room for a token and the end; expected 2 or more")
        self.tokenizer, self.max_length = tokenizer, max_length

    def token_ids(self, texts: Sequence[str | None]) -> list[list[int]]:
        """The tokens of each text, without the end and not cut; none for an empty one."""
        if not texts:
            return []
        encoded = self.tokenizer(
            [text or "" for text in texts],
            add_special_tokens=False,
            return_attention_mask=False,
            verbose=False,
        )
        return [
            list(ids) if text and text.strip() else [] for text, ids in zip(texts, encoded["input_ids"], strict=True)
        ]

    def __call__(self, texts: Sequence[str | None]) -> torch.Tensor:
        """`(batch, tokens)`, int64; the row of an empty text is -100 throughout."""
        end = self.tokenizer.eos_token_id
        room = None if self.max_length is None else self.max_length - 1
        rows = [[*ids[:room], end] if ids else [] for ids in self.token_ids(texts)]
        labels = torch.full((len(rows), max(1, *map(len, rows))), IGNORED)
        for row, ids in enumerate(rows):
            labels[row, : len(ids)] = torch.tensor(ids, dtype=torch.int64)
        return labels

    def check(self, texts: Iterable[str | None]) -> TargetReport:
        """Which of the texts are empty or too long."""
        texts = list(texts)
        report = TargetReport(num_texts=len(texts))
        distinct = list(dict.fromkeys(texts))
        lengths = dict(zip(distinct, map(len, self.token_ids(distinct)), strict=True))
        for row, text in enumerate(texts):
            length = lengths[text]
            if length == 0:
                report.empty.append(row)
                continue
            length += 1
            if self.max_length is not None and length > self.max_length:
                report.tokens_lost[row] = length - self.max_length
                length = self.max_length
            report.longest = max(report.longest, length)
        return report


class AnswerNumbers:
    """Answers that are picked → their class numbers as `labels`, -100 for an answer that is none of the classes.

    Args:
        names: in the order of the class numbers.
    """

    def __init__(self, names: Sequence[str]) -> None:
        self._numbers = {name: number for number, name in enumerate(names)}

    def __call__(self, texts: Sequence[str]) -> torch.Tensor:
        """`(batch,)`, int64."""
        return torch.tensor([self._numbers.get(text, IGNORED) for text in texts])


class TextTargetCollator:
    """A batch of inputs, and of each item the text to write as `labels`.

    Args:
        inputs: makes the inputs of the items, such as a `VideoTextCollator`.
        targets: makes the labels of the texts.
        target_column: where an item has the text to write.
        question_column: where it has the text to read; the inputs find it as `text`. None leaves `text` as it is.
    """

    def __init__(
        self,
        inputs: Callable[[Sequence[Mapping[str, Any]]], dict[str, torch.Tensor]],
        targets: Callable[[Sequence[Any]], torch.Tensor],
        *,
        target_column: str = "text",
        question_column: str | None = None,
    ) -> None:
        self.inputs, self.targets = inputs, targets
        self.target_column, self.question_column = target_column, question_column

    def __call__(self, items: Sequence[Mapping[str, Any]]) -> dict[str, torch.Tensor]:
        read = items
        if self.question_column is not None:
            read = [{**item, "text": item[self.question_column]} for item in items]
        return {**self.inputs(read), "labels": self.targets([item[self.target_column] for item in items])}
