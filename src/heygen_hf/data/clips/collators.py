"""From items of a `VideoClipDataset` to the tensors of a model's `forward`."""

from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any, Literal

import torch

from heygen_hf.types import VideoTextBatch

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerBase

    from heygen_hf.processing import VideoProcessor


def class_names(values: Iterable[str]) -> list[str]:
    """The distinct labels of a column in a fixed order: as numbers where all of them are, else as text."""
    names = {str(value) for value in values}
    if all(name.isdecimal() for name in names):
        return sorted(names, key=lambda name: (int(name), name))
    return sorted(names)


class VideoTextCollator:
    """Stacks frames and normalises them in one go, tokenises captions, and numbers labels.

    Args:
        processor: normalises; the frames are at its size already.
        tokenizer: None leaves captions out.
        max_length: the most tokens of a caption; the rest is cut off. None keeps all.
        padding: "longest" in the batch, or always "max_length", which keeps shapes constant for
            `torch.compile`.
        label_columns: column to its class names, in the order of the class numbers (see `class_names`).

    Returns (from a call):
        `VideoTextBatch.to_dict()`: `pixel_values`, and where asked for `input_ids` with `attention_mask`, and
        `class_ids`, `(batch,)` for one label column and `(batch, columns)` for several.
    """

    def __init__(
        self,
        processor: "VideoProcessor",
        tokenizer: "PreTrainedTokenizerBase | None" = None,
        *,
        max_length: int | None = None,
        padding: Literal["longest", "max_length"] = "longest",
        label_columns: Mapping[str, Sequence[str]] | None = None,
    ) -> None:
        if padding == "max_length" and max_length is None:
            raise ValueError("padding is 'max_length' and max_length is None; set max_length, or pad to the 'longest'")
        self.processor, self.tokenizer = processor, tokenizer
        self.max_length, self.padding = max_length, padding
        self._number_of = {
            column: {name: number for number, name in enumerate(names)}
            for column, names in (label_columns or {}).items()
        }

    def __call__(self, items: Sequence[Mapping[str, Any]]) -> dict[str, torch.Tensor]:
        pixel_values = self.processor.normalize(torch.stack([item["frames"] for item in items]))
        input_ids, attention_mask = self._tokenize([item["text"] for item in items]) if self.tokenizer else (None, None)
        return VideoTextBatch(
            pixel_values=pixel_values,
            input_ids=input_ids,
            attention_mask=attention_mask,
            class_ids=self._number_labels(items) if self._number_of else None,
        ).to_dict()

    def _tokenize(self, texts: list[str]) -> tuple[torch.Tensor, torch.Tensor]:
        assert self.tokenizer is not None
        encoded = self.tokenizer(
            texts,
            padding=self.padding,
            truncation=self.max_length is not None,
            max_length=self.max_length,
            return_attention_mask=True,
        )
        if not encoded["input_ids"][0]:  # every caption is empty: models take no sequence of no tokens
            padding = torch.full((len(texts), 1), self.tokenizer.pad_token_id)
            return padding, torch.zeros_like(padding)
        return torch.tensor(encoded["input_ids"]), torch.tensor(encoded["attention_mask"])

    def _number_labels(self, items: Sequence[Mapping[str, Any]]) -> torch.Tensor:
        rows = []
        for item in items:
            for column, numbers in self._number_of.items():
                if item[column] not in numbers:
                    raise ValueError(
                        f"label {item[column]!r} in column {column!r} is none of the classes "
                        f"{', '.join(numbers)}; give all of them in label_columns"
                    )
            rows.append([numbers[item[column]] for column, numbers in self._number_of.items()])
        labels = torch.tensor(rows)
        return labels[:, 0] if len(self._number_of) == 1 else labels
