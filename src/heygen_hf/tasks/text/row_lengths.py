"""Rows of words as long as their tokens allow."""

from collections.abc import Sequence
from typing import Any

from transformers import PreTrainedTokenizerBase

_AT_ONCE = 1000  # rows to tokenise


def cut_rows(
    rows: Sequence[dict[str, Any]], tokenizer: PreTrainedTokenizerBase, *, max_length: int | None, split: str
) -> tuple[list[dict[str, Any]], dict[str, int]]:
    """Rows without the words of which no token fits, and what became of them.

    Args:
        rows: `words` and `labels`, and what else there is.
        max_length: the most tokens of a row, those around it included; None cuts nothing.
        split: for messages.

    Returns:
        The rows, and `num_rows_cut` and `num_words_cut`.

    Raises:
        ValueError: the tokenizer makes no token of a word, so it can have no label; or no word fits.
    """
    room = None if max_length is None else max(0, max_length - tokenizer.num_special_tokens_to_add())
    kept, num_rows_cut, num_words_cut = [], 0, 0
    for start in range(0, len(rows), _AT_ONCE):
        some = rows[start : start + _AT_ONCE]
        encoded = tokenizer([row["words"] for row in some], is_split_into_words=True, verbose=False)
        for place, row in enumerate(some):
            word_of_token = [word for word in encoded.word_ids(place) if word is not None]
            found = set(word_of_token)
            for number, word in enumerate(row["words"]):
                if number not in found:
                    raise ValueError(
                        f"the tokenizer makes no token of {word!r}, word {number} of a row of the {split} split that "
                        f"begins {' '.join(row['words'][:5])!r}; leave the word out, with its label"
                    )
            length = len(set(word_of_token[:room]))
            if not length:
                raise ValueError(f"no word fits into {max_length} tokens; raise data.max_length")
            if length < len(row["words"]):
                num_rows_cut, num_words_cut = num_rows_cut + 1, num_words_cut + len(row["words"]) - length
                row = {**row, "words": row["words"][:length], "labels": row["labels"][:length]}
            kept.append(row)
    return kept, {"num_rows_cut": num_rows_cut, "num_words_cut": num_words_cut}
