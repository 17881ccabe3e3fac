"""What is wrong with a set of captions, before anything is trained on them."""

from bisect import bisect_left
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from itertools import islice
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerBase

REPLACEMENT_CHARACTER = "\N{REPLACEMENT CHARACTER}"  # what a reader puts where bytes are not UTF-8

_BATCH_SIZE = 1000
_LONGEST_EXAMPLE = 60  # characters


@dataclass
class CaptionReport:
    """The account that `check_captions` gives; rows are counted from 0.

    Attributes:
        num_captions: all of them.
        max_length: the most tokens of one; None for no limit.
        empty: rows with no caption, or nothing but spaces, in order.
        tokens_lost: row to the tokens that are cut off, where the caption is too long.
        not_text: row to the signs it has that no text has: replacement characters (from bytes that are not UTF-8),
            control characters, half surrogates.
        duplicate_of: row to the first row with the very same caption; empty ones do not count.
        num_tokens: of all captions together, those cut off included; 0 without a tokenizer.
        num_unknown_tokens: of these, those that the tokenizer does not know.
        examples: row to its caption, shortened, for the first few of each kind.
    """

    num_captions: int = 0
    max_length: int | None = None
    empty: list[int] = field(default_factory=list)
    tokens_lost: dict[int, int] = field(default_factory=dict)
    not_text: dict[int, list[str]] = field(default_factory=dict)
    duplicate_of: dict[int, int] = field(default_factory=dict)
    num_tokens: int = 0
    num_unknown_tokens: int = 0
    examples: dict[int, str] = field(default_factory=dict)

    @property
    def num_tokens_lost(self) -> int:
        return sum(self.tokens_lost.values())

    @property
    def is_clean(self) -> bool:
        """Nothing is empty, too long or no text; duplicates are no fault."""
        return not (self.empty or self.tokens_lost or self.not_text)

    def problems_of(self, row: int) -> list[str]:
        """What is wrong with one caption, in a few words each; nothing where it is fine."""
        place = bisect_left(self.empty, row)
        problems = ["empty caption"] if self.empty[place : place + 1] == [row] else []
        if row in self.tokens_lost:
            problems.append(f"caption too long: {self.tokens_lost[row]} tokens lost")
        if row in self.not_text:
            problems.append(f"caption has {', '.join(self.not_text[row])}")
        return problems

    def summary(self) -> str:
        """A few lines to print: totals, each with its first examples."""
        lines = [f"{self.num_captions} captions" + (f", {self.num_tokens} tokens" if self.num_tokens else "")]
        if self.empty:
            lines.append(f"  {len(self.empty)} are empty: {self._some(self.empty)}")
        if self.tokens_lost:
            lines.append(
                f"  {len(self.tokens_lost)} are longer than {self.max_length} tokens, {self.num_tokens_lost} tokens "
                f"are lost: {self._some(self.tokens_lost)}"
            )
        if self.not_text:
            signs = sorted({sign for found in self.not_text.values() for sign in found})
            lines.append(f"  {len(self.not_text)} have {', '.join(signs)}: {self._some(self.not_text)}")
        if self.duplicate_of:
            lines.append(f"  {len(self.duplicate_of)} repeat an earlier one: {self._some(self.duplicate_of)}")
        if self.num_unknown_tokens:
            lines.append(f"  {self.num_unknown_tokens} tokens are unknown to the tokenizer")
        return "\n".join(lines)

    def _some(self, rows: Iterable[int], limit: int = 3) -> str:
        return ", ".join(f"row {row} {self.examples.get(row, '')!r}" for row in islice(rows, limit))

    def to_dict(self) -> dict[str, Any]:
        """For JSON: totals and the first examples."""
        return {
            "num_captions": self.num_captions,
            "max_length": self.max_length,
            "num_empty": len(self.empty),
            "num_too_long": len(self.tokens_lost),
            "num_tokens_lost": self.num_tokens_lost,
            "num_not_text": len(self.not_text),
            "num_duplicates": len(self.duplicate_of),
            "num_tokens": self.num_tokens,
            "num_unknown_tokens": self.num_unknown_tokens,
            "examples": {str(row): example for row, example in self.examples.items()},
        }


def check_captions(
    texts: Iterable[str | None],
    tokenizer: "PreTrainedTokenizerBase | None" = None,
    max_length: int | None = None,
    *,
    num_examples: int = 3,
) -> CaptionReport:
    """Find captions that are empty, too long, no text, or repeated.

    Args:
        texts: captions in the order of their rows; None counts as empty.
        tokenizer: counts tokens; None looks at the characters alone.
        max_length: the most tokens that are kept, those that the tokenizer adds by itself included.
        num_examples: how many captions of each kind the report quotes.
    """
    report = CaptionReport(max_length=max_length)
    first_row_of: dict[str, int] = {}
    row = 0
    for batch in _batches(texts, _BATCH_SIZE):
        captions = [text or "" for text in batch]
        rows = range(row, row + len(captions))
        for number, caption in zip(rows, captions, strict=True):
            _look_at(report, number, caption, first_row_of)
        if tokenizer is not None:
            _count_tokens(report, rows, captions, tokenizer)
        for kind in (report.empty, report.tokens_lost, report.not_text, report.duplicate_of):
            for number in islice(kind, num_examples):
                if number in rows:
                    report.examples[number] = _shorten(captions[number - row])
        row += len(captions)
    report.num_captions = row
    return report


def _batches(texts: Iterable[str | None], size: int) -> Iterator[list[str | None]]:
    remaining = iter(texts)
    while batch := list(islice(remaining, size)):
        yield batch


def _look_at(report: CaptionReport, row: int, caption: str, first_row_of: dict[str, int]) -> None:
    if not caption.strip():
        report.empty.append(row)
    elif first_row_of.setdefault(caption, row) != row:
        report.duplicate_of[row] = first_row_of[caption]
    if not caption.isprintable() and (signs := _signs_of_no_text(caption)):  # isprintable: quick, most are
        report.not_text[row] = signs
    elif REPLACEMENT_CHARACTER in caption:
        report.not_text[row] = ["replacement characters"]


def _signs_of_no_text(caption: str) -> list[str]:
    signs = []
    if REPLACEMENT_CHARACTER in caption:
        signs.append("replacement characters")
    if any((character < " " and character not in "\t\n\r") or "\x7f" <= character <= "\x9f" for character in caption):
        signs.append("control characters")
    if any("\ud800" <= character <= "\udfff" for character in caption):
        signs.append("half surrogates")
    return signs


def _count_tokens(
    report: CaptionReport, rows: Sequence[int], captions: list[str], tokenizer: "PreTrainedTokenizerBase"
) -> None:
    # a half surrogate makes tokenizers raise
    readable = [caption.encode("utf-8", "replace").decode("utf-8") for caption in captions]
    encoded = tokenizer(readable, verbose=False, return_attention_mask=False, return_token_type_ids=False)
    for row, token_ids in zip(rows, encoded["input_ids"], strict=True):
        report.num_tokens += len(token_ids)
        if tokenizer.unk_token_id is not None:
            report.num_unknown_tokens += token_ids.count(tokenizer.unk_token_id)
        if report.max_length is not None and len(token_ids) > report.max_length:
            report.tokens_lost[row] = len(token_ids) - report.max_length


def _shorten(caption: str) -> str:
    return caption if len(caption) <= _LONGEST_EXAMPLE else caption[: _LONGEST_EXAMPLE - 1] + "…"
