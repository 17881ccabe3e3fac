"""A data set of texts to one of token numbers, computed once and kept by `datasets`."""

import logging
import os
from collections.abc import Sequence
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, get_args

from heygen_hf.data.text.documents import COUNTS, put_around, tokenize_documents, tokenizer_identity
from heygen_hf.data.text.packing import pack_continuous, pack_whole
from heygen_hf.data.text.text_report import TextReport

if TYPE_CHECKING:
    import datasets
    from transformers import PreTrainedTokenizerBase

Packing = Literal["none", "pack", "group"]

logger = logging.getLogger(__name__)

_VERSION = 1  # part of the fingerprints: raise it when the same input gives other tokens


def prepare_text_dataset(
    dataset: "datasets.Dataset",
    tokenizer: "PreTrainedTokenizerBase",
    *,
    text_column: str = "text",
    max_length: int,
    packing: Packing = "none",
    truncation: bool = True,
    add_eos: bool | None = None,
    label_columns: str | Sequence[str] = (),
    batch_size: int = 1000,
    num_workers: int | None = None,
    cache_dir: str | os.PathLike | None = None,
    report: TextReport | None = None,
) -> "datasets.Dataset":
    """Tokenise the documents of a data set and put them into rows of at most `max_length` tokens.

    Done by `datasets.map` under a fingerprint of the data, the tokenizer and the options, so a second call reads
    the result of the first from the cache. Nothing is lost in silence: documents without a token are left out, ends
    are cut off by `truncation` alone, and both are counted in `report` and logged.

    Args:
        dataset: has a column of texts, or of lists of words (then `word_ids` tells the word of each token).
        tokenizer: what it adds around a text by itself (a start or an end) stays, around every document.
        text_column: its name.
        max_length: the most tokens of a row, those put around a document included.
        packing: "none" gives each document its row. "pack" puts whole documents together, and "group" joins them
            end to end and divides them where a row is full. Both work within `batch_size` documents, the last
            row of which may be shorter, and add `position_ids`, which restart with every document, and
            `sequence_ids`, the number of the document in its row from 1, so that attention can be kept within one.
        truncation: cut off what is too long for a row; False makes it an error. "group" never cuts.
        add_eos: end each document with the end token, unless the tokenizer does so; None where they are packed.
        label_columns: kept beside the tokens, with "none" alone.
        num_workers: processes; None for this one.
        cache_dir: where to keep the result; None for the folder of the data set, or of this session where the
            data set is in memory only.
        report: filled in.

    Returns:
        Columns `input_ids`, and those of `packing`, `label_columns` and words.

    Raises:
        ValueError: a column is missing, the options cannot work, or a document is too long and `truncation` off.
    """
    import datasets

    labels = [label_columns] if isinstance(label_columns, str) else list(label_columns)
    if add_eos is None:
        add_eos = packing != "none"
    _check(dataset, tokenizer, [text_column, *labels], packing, add_eos, has_labels=bool(labels))
    before, after = put_around(tokenizer)
    if add_eos and after[-1:] != [tokenizer.eos_token_id]:
        after = [*after, tokenizer.eos_token_id]
    room = max_length - len(before) - len(after)
    if room < 1:
        raise ValueError(
            f"max_length is {max_length} and {len(before) + len(after)} tokens go around every document; expected more"
        )

    numbers, per_token = datasets.Value("int32"), datasets.List(datasets.Value("int32"))
    of_words = isinstance(dataset.features[text_column], datasets.List | datasets.LargeList)
    kept = {"input_ids": per_token, **({"word_ids": per_token} if of_words else {})}
    kept |= {name: dataset.features[name] for name in labels}
    counted = dict.fromkeys(COUNTS, numbers)
    packed = dict.fromkeys(("input_ids", "position_ids", "sequence_ids"), per_token)
    shared: dict[str, Any] = {"batch_size": batch_size, "num_proc": num_workers, "cache_dir": cache_dir}
    options: dict[str, Any] = {
        "text_column": text_column,
        "of_words": of_words,
        "room": None if packing == "group" else room,
        "truncation": truncation,
        "before": before,
        "after": after,
    }
    tokenized = _map(
        dataset,
        partial(tokenize_documents, tokenizer=tokenizer, **options),
        identity=(tokenizer_identity(tokenizer), options, labels),
        features=datasets.Features({**kept, **counted}),
        **shared,
    )
    prepared = _map(
        tokenized,
        partial(_arrange, packing=packing, max_length=max_length),
        identity=(packing, max_length, batch_size),
        features=datasets.Features(kept if packing == "none" else packed),
        **shared,
    )
    _fill_in(TextReport() if report is None else report, tokenized, prepared, max_length)
    return prepared


def _check(
    dataset: "datasets.Dataset",
    tokenizer: "PreTrainedTokenizerBase",
    columns: list[str],
    packing: Packing,
    add_eos: bool,
    *,
    has_labels: bool,
) -> None:
    for column in columns:
        if column not in dataset.column_names:
            raise ValueError(f"the data set has no column {column!r}; it has {', '.join(dataset.column_names)}")
    if packing not in get_args(Packing):
        raise ValueError(f"packing is {packing!r}; expected one of {', '.join(get_args(Packing))}")
    if has_labels and packing != "none":
        raise ValueError(f"packing is {packing!r} and a row of several documents has no label; set packing to 'none'")
    if add_eos and tokenizer.eos_token_id is None:
        raise ValueError(
            "the tokenizer has no end token to put between documents; set its eos_token, give add_eos=False, or use "
            "build_character_tokenizer, which makes one that has it"
        )


def _map(
    dataset: "datasets.Dataset",
    function: Any,
    *,
    identity: Any,
    features: "datasets.Features",
    batch_size: int,
    num_proc: int | None,
    cache_dir: str | os.PathLike | None,
) -> "datasets.Dataset":
    """`datasets.map` under a fingerprint of our own: that of a tokenizer as an object changes with its use."""
    from datasets.fingerprint import Hasher

    fingerprint = Hasher.hash([dataset._fingerprint, function.func.__name__, _VERSION, identity, num_proc])
    if cache_dir is not None:
        Path(cache_dir).mkdir(parents=True, exist_ok=True)
    dropped = [name for name in dataset.column_names if name not in features]
    return dataset.with_format(None).map(
        function,
        batched=True,
        batch_size=batch_size,
        remove_columns=dropped,
        features=features,
        num_proc=num_proc,
        new_fingerprint=fingerprint,
        cache_file_name=None if cache_dir is None else str(Path(cache_dir) / f"text-{fingerprint}.arrow"),
    )


def _arrange(batch: dict[str, list], *, packing: Packing, max_length: int) -> dict[str, list]:
    """Rows of the final data set from tokenised documents."""
    full = [number for number, tokens in enumerate(batch["input_ids"]) if tokens]
    if packing == "none":
        kept = [name for name in batch if name not in COUNTS]
        return {name: [batch[name][number] for number in full] for name in kept}
    pack = pack_whole if packing == "pack" else pack_continuous
    rows = pack([batch["input_ids"][number] for number in full], max_length=max_length)
    return {name: [getattr(row, name) for row in rows] for name in ("input_ids", "position_ids", "sequence_ids")}


def _fill_in(report: TextReport, tokenized: "datasets.Dataset", prepared: "datasets.Dataset", max_length: int) -> None:
    """Count in the data sets themselves, which a cache has as well."""
    import pyarrow.compute as pc

    columns = tokenized.with_format("arrow")
    rows = prepared.with_format("arrow")["input_ids"]
    report.num_documents = len(tokenized)
    report.num_empty = pc.sum(pc.equal(columns["num_tokens"], 0)).as_py() or 0
    report.num_truncated = pc.sum(pc.greater(columns["num_lost"], 0)).as_py() or 0
    report.num_tokens = pc.sum(columns["num_tokens"]).as_py() or 0
    report.num_tokens_lost = pc.sum(columns["num_lost"]).as_py() or 0
    report.num_unknown_tokens = pc.sum(columns["num_unknown"]).as_py() or 0
    report.num_rows, report.max_length = len(prepared), max_length
    report.num_row_tokens = pc.sum(pc.list_value_length(rows)).as_py() or 0
    if report.num_empty or report.num_truncated:
        logger.warning("%s", report.summary())
