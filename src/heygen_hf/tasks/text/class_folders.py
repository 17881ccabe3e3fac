"""Texts in folders named after their classes."""

from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import datasets


def has_class_folders(source: str) -> bool:
    """Whether `source` is a folder of at least two folders with .txt files in them, and no file of text beside them."""
    folder = Path(source)
    if not folder.is_dir() or any(
        entry.suffix in (".txt", ".jsonl", ".json", ".csv", ".parquet") for entry in _files(folder)
    ):
        return False
    return sum(any(file.suffix == ".txt" for file in _files(entry)) for entry in folder.iterdir() if entry.is_dir()) > 1


def open_class_folders(source: str, *, label_column: str) -> "datasets.Dataset":
    """`CLASS/NAME.txt`, a document a file: columns `text`, `label_column` and `file_name`.

    Raises:
        ValueError: a file is not UTF-8.
    """
    import datasets

    columns: dict[str, list[str]] = {"text": [], label_column: [], "file_name": []}
    for folder in sorted(entry for entry in Path(source).iterdir() if entry.is_dir()):
        for file in sorted(entry for entry in _files(folder) if entry.suffix == ".txt"):
            try:
                columns["text"].append(file.read_text(encoding="utf-8"))
            except UnicodeDecodeError as error:
                raise ValueError(f"{file} is not UTF-8 text (byte {error.start}); save it as UTF-8") from None
            columns[label_column].append(folder.name)
            columns["file_name"].append(f"{folder.name}/{file.name}")
    return datasets.Dataset.from_dict(columns)


def _files(folder: Path) -> list[Path]:
    return [entry for entry in folder.iterdir() if entry.is_file()]
