"""From samples of several modalities to a batch."""

from collections.abc import Mapping, Sequence
from typing import Any

import torch
from transformers import PreTrainedTokenizerBase

from heygen_hf.data import VideoTextCollator
from heygen_hf.data.clips.stacking import pad_audio
from heygen_hf.processing import VideoProcessor


class FusionCollator:
    """From samples to the keyword arguments of a fusion network: what is missing is masked.

    Args:
        processor: normalises frames.
        tokenizer: None where the model reads no text.
        label_columns: column → class names; the batch then has `labels`, `(batch, columns)`, with -100 for a value that
            is none of them, or where a sample's `unasked` names the column.
    """

    def __init__(
        self,
        processor: VideoProcessor,
        tokenizer: PreTrainedTokenizerBase | None,
        *,
        label_columns: Mapping[str, Sequence[str]] | None = None,
    ) -> None:
        self._number_of = {
            column: {name: number for number, name in enumerate(names)}
            for column, names in (label_columns or {}).items()
        }
        max_length = None if tokenizer is None else tokenizer.model_max_length
        self._collate_clips = VideoTextCollator(processor, tokenizer, max_length=max_length, allow_missing=True)

    def __call__(self, items: Sequence[Mapping[str, Any]]) -> dict[str, torch.Tensor]:
        if "text" in items[0]:  # a caption that says nothing is a missing one
            items = [{**item, "text": item["text"] if (item["text"] or "").strip() else None} for item in items]
        if "frames" in items[0]:
            batch = self._collate_clips(items)
        else:
            values, mask = pad_audio(items)
            batch = {"audio_values": values, "audio_attention_mask": mask}
        if self._number_of:
            batch["labels"] = torch.tensor([self._numbers(item) for item in items])
        return batch

    def _numbers(self, item: Mapping[str, Any]) -> list[int]:
        unasked = item.get("unasked", ())
        return [
            -100 if column in unasked else numbers.get(str(item[column]), -100)
            for column, numbers in self._number_of.items()
        ]
