"""The source files of Python's standard library as words with the part each plays, split by file."""

import tokenize
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from heygen_hf.data.python_text.documents import standard_library, standard_library_files
from heygen_hf.data.python_text.source_labels import SourceWords, label_source
from heygen_hf.data.text.repetition import split_held_out

if TYPE_CHECKING:
    import datasets

_LEFT_OUT = frozenset({"encodings", "pydoc_data"})  # tables: thousands of lines that are all alike


@dataclass
class SourceReport:
    """What became of every file.

    Attributes:
        num_files, num_windows, num_words: of each split.
        num_repeated: windows held out and then left out, because the training files have the same words.
        skipped: `(file, reason)`.
    """

    num_files: dict[str, int]
    num_windows: dict[str, int]
    num_words: dict[str, int]
    num_repeated: int
    skipped: list[tuple[str, str]]


def load_source_tokens(
    *, max_words: int = 128, held_out_share: float = 0.1, seed: int = 0, max_files: int | None = None
) -> "tuple[datasets.DatasetDict, SourceReport]":
    """The standard library's source files, labelled, and split by file.

    A held-out file shares at most half of its runs of five words with the training files, and no held-out window is
    the same as one of theirs. The files are those of the Python that runs; another version has others.

    Args:
        max_words: of a window.
        held_out_share: of the files.
        seed: another one holds out other files.
        max_files: at most so many files, evenly spread over the library; None for all.

    Returns:
        Splits "train" and "test" with columns `words` and `labels` (names), `file`; and the account of the files.

    Raises:
        ValueError: this Python has no standard library as source files.
    """
    import datasets

    folder = standard_library()
    files = [entry for entry in standard_library_files(folder) if entry[0].split(".")[0] not in _LEFT_OUT]
    if max_files is not None and max_files < len(files):
        files = [files[number * len(files) // max_files] for number in range(max_files)]
    windows_of: dict[str, list[SourceWords]] = {}
    texts: dict[str, str] = {}
    skipped = []
    for _, path in files:
        name = path.relative_to(folder).as_posix()
        try:
            source = _read(path)
            windows = label_source(source, max_words=max_words)
        except (SyntaxError, ValueError) as error:  # templates, and files that are broken on purpose
            skipped.append((name, f"is not Python ({str(error).splitlines()[0]})"))
            continue
        if windows:
            windows_of[name], texts[name] = windows, source
    names = list(texts)
    train, held_out = split_held_out(list(texts.values()), share=held_out_share, seed=seed)
    known = {tuple(window.words) for number in train for window in windows_of[names[number]]}
    rows: dict[str, list[dict[str, Any]]] = {"train": [], "test": []}
    num_repeated = 0
    for split, numbers in (("train", train), ("test", held_out)):
        for number in numbers:
            for window in windows_of[names[number]]:
                if split == "test" and tuple(window.words) in known:
                    num_repeated += 1
                    continue
                rows[split].append({"words": window.words, "labels": window.labels, "file": names[number]})
    report = SourceReport(
        num_files={split: len({row["file"] for row in each}) for split, each in rows.items()},
        num_windows={split: len(each) for split, each in rows.items()},
        num_words={split: sum(len(row["words"]) for row in each) for split, each in rows.items()},
        num_repeated=num_repeated,
        skipped=skipped,
    )
    splits = {split: datasets.Dataset.from_list(each) for split, each in rows.items()}
    return datasets.DatasetDict(splits), report


def _read(path: Path) -> str:
    with tokenize.open(path) as file:  # in the encoding that the file declares
        return file.read()
