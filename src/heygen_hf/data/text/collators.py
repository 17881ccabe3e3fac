"""From prepared or plain texts to the tensors of a text model's `forward`."""

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, Literal, get_args

import torch

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerBase

TextObjective = Literal["language_modeling", "sequence_classification", "token_classification"]

IGNORED = -100  # the label that the losses of torch and transformers leave out


class TextCollator:
    """Pads texts, and makes the labels of an objective.

    Items come from `prepare_text_dataset` (`input_ids`, and what goes with them), or have a text, or a list of
    words, in `text_column`, which is tokenised here.

    - "language_modeling": `labels` are the tokens themselves, for a model that shifts them; -100 at padding, and
      at the first token of every document where several are packed, which nothing before it could predict.
    - "sequence_classification": `labels` `(batch,)` from `label_column`.
    - "token_classification": `label_column` has a label for each word; its first token gets it, and all others
      -100.

    Args:
        tokenizer: pads, and tokenises.
        objective: decides the labels.
        max_length: the most tokens of a text; the rest is cut off, with its labels. None keeps all.
        padding: "longest" in the batch, or always "max_length".
        text_column: of items without `input_ids`.
        label_column: of the labels, as class numbers or as names.
        class_names: names in the order of the class numbers; None where labels are numbers.
        label_all_tokens: give a word's label to all of its tokens.

    Returns (from a call):
        `input_ids`, `attention_mask` and `labels`, `(batch, tokens)` but for one label a sequence; `position_ids` and
        `sequence_ids`, 0 at padding, where the items have them.
    """

    def __init__(
        self,
        tokenizer: "PreTrainedTokenizerBase",
        *,
        objective: TextObjective = "language_modeling",
        max_length: int | None = None,
        padding: Literal["longest", "max_length"] = "longest",
        text_column: str = "text",
        label_column: str = "label",
        class_names: Sequence[str] | None = None,
        label_all_tokens: bool = False,
    ) -> None:
        if objective not in get_args(TextObjective):
            raise ValueError(f"objective is {objective!r}; expected one of {', '.join(get_args(TextObjective))}")
        if padding == "max_length" and max_length is None:
            raise ValueError("padding is 'max_length' and max_length is None; set max_length, or pad to the 'longest'")
        if tokenizer.pad_token_id is None:
            raise ValueError("the tokenizer has no padding token; set its pad_token")
        self.tokenizer, self.objective, self.max_length, self.padding = tokenizer, objective, max_length, padding
        self.text_column, self.label_column = text_column, label_column
        self.label_all_tokens = label_all_tokens
        self._number_of = None if class_names is None else {name: number for number, name in enumerate(class_names)}

    def __call__(self, items: Sequence[Mapping[str, Any]]) -> dict[str, torch.Tensor]:
        rows = [self._cut(item) if "input_ids" in item else self._tokenize(item) for item in items]
        width = max(1, *(len(row["input_ids"]) for row in rows))
        if self.padding == "max_length":
            assert self.max_length is not None
            width = self.max_length
        batch = {
            "input_ids": _pad([row["input_ids"] for row in rows], width, self.tokenizer.pad_token_id),
            "attention_mask": _pad([[1] * len(row["input_ids"]) for row in rows], width, 0),
        }
        for name in ("position_ids", "sequence_ids"):
            if name in rows[0]:
                batch[name] = _pad([row[name] for row in rows], width, 0)
        if self.objective == "sequence_classification":
            batch["labels"] = torch.tensor([self._number(item[self.label_column]) for item in items])
        elif self.objective == "token_classification":
            labels = [self._label_words(row, item) for row, item in zip(rows, items, strict=True)]
            batch["labels"] = _pad(labels, width, IGNORED)
        else:
            batch["labels"] = batch["input_ids"].masked_fill(batch["attention_mask"] == 0, IGNORED)
            if "position_ids" in batch:
                batch["labels"].masked_fill_(batch["position_ids"] == 0, IGNORED)
        return batch

    def _cut(self, item: Mapping[str, Any]) -> dict[str, list[int]]:
        names = ("input_ids", "position_ids", "sequence_ids", "word_ids")
        return {name: list(item[name])[: self.max_length] for name in names if name in item}

    def _tokenize(self, item: Mapping[str, Any]) -> dict[str, list[int]]:
        text = item[self.text_column]
        of_words = not isinstance(text, str)
        encoded = self.tokenizer(
            text,
            is_split_into_words=of_words,
            truncation=self.max_length is not None,
            max_length=self.max_length,
        )
        row = {"input_ids": list(encoded["input_ids"])}
        if of_words:
            row["word_ids"] = [-1 if word is None else word for word in encoded.word_ids()]
        return row

    def _label_words(self, row: Mapping[str, list[int]], item: Mapping[str, Any]) -> list[int]:
        if "word_ids" not in row:
            raise ValueError(
                f"{self.text_column!r} holds no list of words; a label for each word needs the words: give a list"
            )
        words, labels = row["word_ids"], [self._number(label) for label in item[self.label_column]]
        num_words = len(labels) if "input_ids" in item else len(item[self.text_column])
        if len(labels) != num_words or max(words, default=-1) >= len(labels):
            raise ValueError(
                f"{len(labels)} labels in {self.label_column!r} for {max(num_words, max(words) + 1)} words; expected "
                "one each"
            )
        before = [-1, *words[:-1]]
        return [
            labels[word] if word >= 0 and (word != last or self.label_all_tokens) else IGNORED
            for word, last in zip(words, before, strict=True)
        ]

    def _number(self, label: Any) -> int:
        if self._number_of is None:
            if isinstance(label, str):
                raise ValueError(f"label {label!r} in {self.label_column!r} is a name; give class_names to number it")
            return int(label)
        if label not in self._number_of:
            raise ValueError(
                f"label {label!r} in {self.label_column!r} is none of the classes {', '.join(self._number_of)}; give "
                "all of them in class_names"
            )
        return self._number_of[label]


def _pad(rows: Sequence[Sequence[int]], width: int, filler: int) -> torch.Tensor:
    """int64 `(rows, width)`, filled up on the right."""
    return torch.tensor([[*row, *[filler] * (width - len(row))] for row in rows])
