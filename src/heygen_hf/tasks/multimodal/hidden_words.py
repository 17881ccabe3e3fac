"""Captions that do not give the answer away: words that name a label are hidden from the model."""

import re
from collections.abc import Mapping, Sequence
from typing import Any, Literal

from torch.utils.data import Dataset
from transformers import PreTrainedTokenizerBase

from heygen_hf.processing import draw_below
from heygen_hf.tasks.multimodal.samples import FusionSamples

HiddenWords = Literal["some", "all", "none"]
_HIDING_STREAM = 13


def hide_words(text: str, words: Sequence[str], *, mark: str) -> str:
    """The text with each of these words, whatever its capitals, replaced by a mark.

    >>> hide_words("A red 7 moves left", ["red", "left"], mark="[MASK]")
    'A [MASK] 7 moves [MASK]'
    """
    words = [word for word in words if word.strip()]
    if not words:
        return text
    either = "|".join(re.escape(word) for word in sorted(words, key=len, reverse=True))
    return re.sub(rf"(?<!\w)(?:{either})(?!\w)", lambda _: mark, text, flags=re.IGNORECASE)


def mark_of(tokenizer: PreTrainedTokenizerBase | None) -> str:
    """What stands for a hidden word: the tokenizer's mask, or its token for what it does not know."""
    return (tokenizer and (tokenizer.mask_token or tokenizer.unk_token)) or "…"


class HiddenWordSamples(Dataset):
    """Samples whose captions hide the words of some label columns, and name the others in `unasked`.

    Args:
        samples: whose items have the label columns.
        columns: the label columns.
        hidden: "some" hides the words of at least one column a sample, any choice of columns as likely as any other,
            drawn by (seed, epoch, index); "all" hides all of them, "none" none.
        mark: in place of a hidden word.
        only: hide this column in every sample, instead of one that is drawn.
        ask_all: leave `unasked` empty: in training, a word that can be read is learnt from as well.
    """

    def __init__(
        self,
        samples: FusionSamples,
        *,
        columns: Sequence[str],
        hidden: HiddenWords,
        mark: str,
        only: str | None = None,
        ask_all: bool = False,
        seed: int = 0,
    ) -> None:
        self.samples, self.columns, self.hidden, self.mark = samples, list(columns), hidden, mark
        self.only, self.ask_all, self.seed = only, ask_all, seed

    def set_epoch(self, epoch: int) -> None:
        """Choose the epoch whose draws the samples show."""
        self.samples.set_epoch(epoch)

    def __len__(self) -> int:
        return len(self.samples)

    def __getitem__(self, index: int) -> dict[str, Any]:
        return self.__getitems__([index])[0]

    def __getitems__(self, indices: Sequence[int]) -> list[dict[str, Any]]:
        return [self._hide(item) for item in self.samples.__getitems__(indices)]

    def _hide(self, item: Mapping[str, Any]) -> dict[str, Any]:
        asked = self._asked_of(item)
        unasked = () if self.ask_all else tuple(column for column in self.columns if column not in asked)
        if "text" not in item or self.hidden == "none":
            return {**item, "unasked": unasked}
        text = hide_words(item["text"], [str(item[column]) for column in asked], mark=self.mark)
        return {**item, "text": text, "unasked": unasked}

    def _asked_of(self, item: Mapping[str, Any]) -> list[str]:
        """What is asked, and thereby hidden unless nothing is."""
        if self.only is not None:
            return [self.only]
        if self.hidden != "some":
            return self.columns
        choices = 2 ** len(self.columns) - 1
        drawn = 1 + draw_below(choices, self.seed, self.samples.epoch, item["index"], _HIDING_STREAM)
        return [column for place, column in enumerate(self.columns) if drawn >> place & 1]


__all__ = ["HiddenWordSamples", "HiddenWords", "hide_words", "mark_of"]
