"""What became of every document of a text data set."""

from dataclasses import asdict, dataclass
from typing import Any


@dataclass
class TextReport:
    """The account that `prepare_text_dataset` gives: every document is kept, cut, or empty.

    Attributes:
        num_documents: rows of the data set given.
        num_empty: documents without a token, left out.
        num_truncated: documents of which the end was cut off.
        num_tokens: tokens of all documents, without those that the tokenizer or `add_eos` puts around them.
        num_tokens_lost: of these, those cut off.
        num_unknown_tokens: of those kept, how many the tokenizer does not know.
        num_rows: rows of the prepared data set.
        num_row_tokens: tokens in them, ends of text and the like included.
        max_length: the most tokens of a row.
    """

    num_documents: int = 0
    num_empty: int = 0
    num_truncated: int = 0
    num_tokens: int = 0
    num_tokens_lost: int = 0
    num_unknown_tokens: int = 0
    num_rows: int = 0
    num_row_tokens: int = 0
    max_length: int = 0

    @property
    def padding_share(self) -> float:
        """Share of padding where every row is padded to `max_length`."""
        return 1 - self.num_row_tokens / max(1, self.num_rows * self.max_length)

    def summary(self) -> str:
        """A few lines to print."""
        lines = [
            f"{self.num_documents} documents, {self.num_tokens} tokens, in {self.num_rows} rows of at most "
            f"{self.max_length} ({self.padding_share:.0%} padding)"
        ]
        if self.num_empty:
            lines.append(f"  {self.num_empty} documents are empty and left out")
        if self.num_truncated:
            share = self.num_tokens_lost / self.num_tokens
            lines.append(
                f"  {self.num_truncated} documents are cut off: {self.num_tokens_lost} tokens lost ({share:.1%})"
            )
        if self.num_unknown_tokens:
            lines.append(f"  {self.num_unknown_tokens} tokens are unknown to the tokenizer")
        return "\n".join(lines)

    def to_dict(self) -> dict[str, Any]:
        """For JSON."""
        return {**asdict(self), "padding_share": round(self.padding_share, 4)}
