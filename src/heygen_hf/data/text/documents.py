"""Documents as token numbers, each with what the tokenizer puts around it and a count of what was cut off."""

import json
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerBase

COUNTS = ("num_tokens", "num_lost", "num_unknown")


def put_around(tokenizer: "PreTrainedTokenizerBase") -> tuple[list[int], list[int]]:
    """The tokens that the tokenizer puts before and after a text by itself."""
    whole, bare = tokenizer("a")["input_ids"], tokenizer("a", add_special_tokens=False)["input_ids"]
    for start in range(len(whole) - len(bare) + 1):
        if whole[start : start + len(bare)] == bare:
            return list(whole[:start]), list(whole[start + len(bare) :])
    raise ValueError(f"{type(tokenizer).__name__} changes a text when it adds its own tokens; use another tokenizer")


def tokenizer_identity(tokenizer: "PreTrainedTokenizerBase") -> str:
    """What tells tokenizers apart; its padding and truncation, which change with use, do not count."""
    backend = getattr(tokenizer, "backend_tokenizer", None)
    if backend is None:
        parts: Any = [sorted(tokenizer.get_vocab().items()), repr(tokenizer)]
    else:
        parts = json.loads(backend.to_str())
        parts = {name: value for name, value in parts.items() if name not in ("padding", "truncation")}
    added = {str(name): str(value) for name, value in tokenizer.special_tokens_map.items()}
    split = getattr(tokenizer, "split_special_tokens", False)
    return json.dumps([type(tokenizer).__name__, parts, added, split], sort_keys=True)


def tokenize_documents(
    batch: dict[str, list],
    *,
    tokenizer: "PreTrainedTokenizerBase",
    text_column: str,
    of_words: bool,
    room: int | None,
    truncation: bool,
    before: list[int],
    after: list[int],
) -> dict[str, list]:
    """A document a row; `num_tokens` before it was cut and `num_lost` by that; no `input_ids` where it is empty."""
    documents = batch[text_column]
    full = [number for number, document in enumerate(documents) if document]
    encoded: Any = {"input_ids": []}
    if full:
        texts = [documents[number] for number in full]
        encoded = tokenizer(
            texts,
            add_special_tokens=False,
            is_split_into_words=of_words,
            return_attention_mask=False,
            return_token_type_ids=False,
            verbose=False,
        )
    columns: dict[str, list] = {
        "input_ids": [[] for _ in documents],
        **{name: [0] * len(documents) for name in COUNTS},
    }
    if of_words:
        columns["word_ids"] = [[] for _ in documents]
    for place, number in enumerate(full):
        tokens = encoded["input_ids"][place]
        kept = tokens if room is None else tokens[:room]
        if len(kept) < len(tokens) and not truncation:
            raise ValueError(
                f"a document has {len(tokens)} tokens and {room} fit; set truncation, raise max_length, or divide "
                f"documents by packing='group': {str(documents[number])[:60]!r}"
            )
        if not kept:
            continue
        columns["input_ids"][number] = [*before, *kept, *after]
        columns["num_tokens"][number], columns["num_lost"][number] = len(tokens), len(tokens) - len(kept)
        columns["num_unknown"][number] = 0 if tokenizer.unk_token_id is None else kept.count(tokenizer.unk_token_id)
        if of_words:
            words = encoded.word_ids(place)[: len(kept)]
            columns["word_ids"][number] = [*[-1] * len(before), *words, *[-1] * len(after)]
    return columns
