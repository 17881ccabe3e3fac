"""From items of a `VideoClipDataset` to the tensors of a model's `forward`."""

from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any, Literal

import torch

from heygen_hf.data.clips.stacking import pad_audio, pad_embeddings, stack_videos
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


_MOST_CAPTIONS = 50_000


class VideoTextCollator:
    """Stacks frames and normalises them in one go, tokenises captions, pads sound, and numbers labels.

    Items are dictionaries. `frames`, uint8 `(frames, channels, height, width)`, or in its place `latents`, floating
    point of the same layout, which are not normalised; all of a batch have one shape. `text`, or in its place
    `text_embeddings`, `(tokens, width)`, with `text_embeddings_mask`, `(tokens,)`, where they have padding. `audio`,
    float32 `(samples,)`, `audio_features`, `(frames, width)`, and label columns where there are any.

    Args:
        processor: normalises; the frames are at its size already.
        tokenizer: None leaves captions out.
        max_length: the most tokens of a caption; the rest is cut off. None keeps all.
        padding: "longest" in the batch, or always "max_length", which keeps shapes constant for
            `torch.compile`.
        label_columns: column to its class names, in the order of the class numbers (see `class_names`).
        allow_missing: an item may have None for its video, text or sound. It gets zeros in that place, False in
            `pixel_mask` (which is then always there) and a row of zeros in the other masks. Without this a None is
            an error.
        missing_shape: `(frames, channels, height, width)` of a batch without any video; None for the size of
            the processor with 3 channels.

    Returns (from a call):
        `VideoTextBatch.to_dict()`: `pixel_values`, and where there are any `input_ids` with `attention_mask`,
        or `encoder_hidden_states` with `encoder_attention_mask`; `audio_values` with `audio_attention_mask`;
        `audio_features`; `class_ids`, `(batch,)` for one label column and `(batch, columns)` for several; `pixel_mask`.
    """

    def __init__(
        self,
        processor: "VideoProcessor",
        tokenizer: "PreTrainedTokenizerBase | None" = None,
        *,
        max_length: int | None = None,
        padding: Literal["longest", "max_length"] = "longest",
        label_columns: Mapping[str, Sequence[str]] | None = None,
        allow_missing: bool = False,
        missing_shape: tuple[int, int, int, int] | None = None,
    ) -> None:
        if padding == "max_length" and max_length is None:
            raise ValueError("padding is 'max_length' and max_length is None; set max_length, or pad to the 'longest'")
        self.processor, self.tokenizer = processor, tokenizer
        self.max_length, self.padding = max_length, padding
        self._token_ids_of: dict[str, list[int]] = {}
        self.allow_missing = allow_missing
        self.missing_shape = missing_shape or (processor.num_frames, 3, processor.height, processor.width)
        self._number_of = {
            column: {name: number for number, name in enumerate(names)}
            for column, names in (label_columns or {}).items()
        }

    def __call__(self, items: Sequence[Mapping[str, Any]]) -> dict[str, torch.Tensor]:
        keys = set().union(*items)
        named: dict[str, torch.Tensor] = self._stack_videos(items, keys)
        if "text_embeddings" in keys:
            self._check_present(items, "text_embeddings")
            named["encoder_hidden_states"], named["encoder_attention_mask"] = pad_embeddings(items)
        elif self.tokenizer is not None:
            self._check_present(items, "text")
            named["input_ids"], named["attention_mask"] = self._tokenize([item.get("text") for item in items])
        if "audio" in keys:
            self._check_present(items, "audio")
            named["audio_values"], named["audio_attention_mask"] = pad_audio(items)
        if "audio_features" in keys:
            self._check_present(items, "audio_features")
            named["audio_features"] = torch.stack([item["audio_features"] for item in items])
        if self._number_of:
            named["class_ids"] = self._number_labels(items)
        return VideoTextBatch(**named).to_dict()

    def _stack_videos(self, items: Sequence[Mapping[str, Any]], keys: set[str]) -> dict[str, torch.Tensor]:
        source = "latents" if any(item.get("latents") is not None for item in items) else "frames"
        if source == "latents" and "frames" in keys and any(item.get("frames") is not None for item in items):
            raise ValueError("some items of a batch have latents and others frames; give all of them the same")
        self._check_present(items, source)
        stacked, mask = stack_videos(items, source, missing_shape=self.missing_shape)
        if source == "frames":
            stacked = self.processor.normalize(stacked)
            if mask is not None:
                stacked[~mask] = 0  # after normalisation, in which 0 is no black but the mean
        if self.allow_missing:
            present = torch.ones(len(items), dtype=torch.bool) if mask is None else mask
            return {"pixel_values": stacked, "pixel_mask": present}
        return {"pixel_values": stacked}

    def _check_present(self, items: Sequence[Mapping[str, Any]], key: str) -> None:
        if self.allow_missing:
            return
        for position, item in enumerate(items):
            if item.get(key) is None:
                raise ValueError(
                    f"item {item.get('index', position)} has no {key}; leave it out of the data, or collate with "
                    "allow_missing=True and a model that reads the masks"
                )

    def _tokenize(self, texts: list[str | None]) -> tuple[torch.Tensor, torch.Tensor]:
        assert self.tokenizer is not None
        rows = [self._token_ids(text or "") for text in texts]
        longest = max(len(row) for row in rows) if self.padding == "longest" else self.max_length
        width = longest or 1  # models take no sequence of no tokens, where every caption is empty
        pads = [[self.tokenizer.pad_token_id] * (width - len(row)) for row in rows]
        at_left = self.tokenizer.padding_side == "left"
        input_ids = torch.tensor([pad + row if at_left else row + pad for row, pad in zip(rows, pads, strict=True)])
        places = torch.arange(width).flip(0) if at_left else torch.arange(width)
        attention_mask = (places < torch.tensor([[len(row)] for row in rows])).long()
        if None in texts:  # a tokenizer may put its own tokens around nothing
            missing = torch.tensor([text is None for text in texts])
            input_ids[missing], attention_mask[missing] = self.tokenizer.pad_token_id, 0
        return input_ids, attention_mask

    def _token_ids(self, text: str) -> list[int]:
        """Of one caption. Epoch after epoch has the same ones, so the last `_MOST_CAPTIONS` are remembered."""
        known = self._token_ids_of.get(text)
        if known is None:
            assert self.tokenizer is not None
            known = self.tokenizer(text, truncation=self.max_length is not None, max_length=self.max_length)[
                "input_ids"
            ]
            if len(self._token_ids_of) == _MOST_CAPTIONS:
                del self._token_ids_of[next(iter(self._token_ids_of))]
            self._token_ids_of[text] = known
        return known

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
