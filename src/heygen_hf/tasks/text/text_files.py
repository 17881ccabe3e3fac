"""Plain text, JSON lines, CSV, Parquet or the Hub as one data set of documents."""

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from heygen_hf.data.sources import is_missing_locally

if TYPE_CHECKING:
    import datasets

TextUnit = Literal["file", "paragraph", "line"]

_BUILDERS = {".txt": "text", ".jsonl": "json", ".json": "json", ".csv": "csv", ".parquet": "parquet"}
_SAMPLE_BY = {"file": "document", "paragraph": "paragraph", "line": "line"}


def open_text(
    source: str, *, split: str = "train", unit: TextUnit = "file", cache_dir: str | None = None
) -> "datasets.Dataset":
    """Documents, one a row.

    Args:
        source: a .txt, .jsonl, .json, .csv or .parquet file; a folder of one kind of these, with a subfolder for the
            split or without; or a data set of the Hub.
        split: which one of a folder or of the Hub.
        unit: what is a document in .txt files; their column is called `text`.
        cache_dir: where `datasets` keeps what it has read; None for its own cache.

    Raises:
        ValueError: there is nothing, or nothing that can be read; one line says what.
    """
    import datasets

    path = Path(source)
    if not path.exists():
        if path.suffix in _BUILDERS or is_missing_locally(source) or source.count("/") != 1:
            raise ValueError(f"there is no {source}; give a text file, a folder of them, or a data set of the Hub")
        return _load(source, lambda: datasets.load_dataset(source, split=split, cache_dir=cache_dir))
    files = [path]
    if path.is_dir():
        folder = path / split if (path / split).is_dir() else path
        files = sorted(file for file in folder.rglob("*") if file.suffix in _BUILDERS and file.is_file())
        if not files:
            raise ValueError(f"{folder} holds no file that ends in {', '.join(_BUILDERS)}; give a folder with some")
    kinds = sorted({file.suffix for file in files})
    builders = {_BUILDERS.get(kind) for kind in kinds}
    if None in builders or len(builders) > 1:
        raise ValueError(
            f"{source} holds files of the kinds {', '.join(kinds)}; expected one of {', '.join(_BUILDERS)}"
        )
    (builder,) = builders
    options: dict[str, Any] = {"sample_by": _SAMPLE_BY[unit]} if builder == "text" else {}
    options["cache_dir"] = cache_dir
    names = [str(file) for file in files]
    return _load(source, lambda: datasets.load_dataset(builder, data_files=names, split="train", **options))


def _load(source: str, load: Callable[[], Any]) -> "datasets.Dataset":
    try:
        return load()
    except Exception as error:  # datasets wraps whatever its readers raise
        cause = error.__cause__ or error
        first_line = (str(cause).strip().splitlines() or [type(cause).__name__])[0]
        raise ValueError(f"{source} cannot be read as text: {first_line}") from error
