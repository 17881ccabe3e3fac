"""The columns that every source is opened into, and the choices that lead to them."""

import hashlib
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import datasets
    import pyarrow as pa

_SURROGATE = re.compile("[\ud800-\udfff]")
RESERVED_COLUMNS = ("video", "text", "audio", "file_name", "source")
"""Columns that have a meaning of their own, so that no label column can bear their names."""


class MissingColumnError(ValueError):
    """A source has not the column that was asked for."""

    def __init__(self, message: str, *, kind: str, column: str) -> None:
        super().__init__(message)
        self.kind, self.column = kind, column


@dataclass(frozen=True)
class ColumnChoice:
    """Which columns of a source are wanted, and what they are called there.

    Attributes:
        caption_column: the captions; None where none are wanted (`text` is then empty).
        label_columns: class labels, kept under their own names.
        audio_column: sound beside the clip; None takes it where the source plainly has it.
        video_column: the clips; None for the usual names.
    """

    caption_column: str | None = "text"
    label_columns: tuple[str, ...] = ()
    audio_column: str | None = None
    video_column: str | None = None

    def __post_init__(self) -> None:
        reserved = [name for name in self.label_columns if name in RESERVED_COLUMNS]
        if reserved:
            raise ValueError(
                f"{reserved[0]!r} cannot be a label column: the data set has a column of that name already"
            )
        repeated = [name for name in self.label_columns if self.label_columns.count(name) > 1]
        if repeated:
            raise ValueError(f"label_columns names {repeated[0]!r} twice; name each column once")

    def check(self, available: Sequence[str], *, where: object, also: Iterable[str] = ()) -> None:
        """Raise where a wanted column is not there, in one line that says which are.

        Args:
            available: columns of the source.
            where: the source, for the message.
            also: columns that the source gives without having them, such as the label of a class folder.
        """
        wanted = [("caption", self.caption_column), *(("label", name) for name in self.label_columns)]
        wanted += [("audio", self.audio_column), ("video", self.video_column)]
        for kind, name in wanted:
            if name is not None and name not in available and name not in also:
                option = {"caption": "caption_column", "label": "label_columns"}.get(kind, f"{kind}_column")
                raise MissingColumnError(
                    f"{where} has no {kind} column {name!r}; it has {', '.join(available) or 'none'}: "
                    f"set data.{option}",
                    kind=kind,
                    column=name,
                )

    def without(self, missing: MissingColumnError) -> "ColumnChoice":
        """The same without a column that a source has not."""
        if missing.kind == "label":
            return replace(self, label_columns=tuple(name for name in self.label_columns if name != missing.column))
        changed: dict[str, Any] = {f"{missing.kind}_column": None}
        return replace(self, **changed)

    def names(self, *, audio: bool, source: bool = False) -> list[str]:
        """The columns of the opened data set, in their order."""
        names = ["video", "text", *self.label_columns]
        return [*names, *(["audio"] if audio else []), "file_name", *(["source"] if source else [])]


def make_features(names: Sequence[str]) -> "datasets.Features":
    """Features of the opened columns: media as `{path, bytes}`, everything else as strings."""
    import datasets

    media = {"video": datasets.Video(decode=False), "audio": datasets.Audio(decode=False)}
    return datasets.Features({name: media.get(name, datasets.Value("string")) for name in names})


def make_media(
    paths: "pa.Array | pa.ChunkedArray | Sequence[str | None]", contents: "Sequence[bytes | None] | None" = None
) -> "pa.Array | pa.ChunkedArray":
    """The Arrow form of a video or audio column.

    A row without path and bytes is a refused one. `Video.encode_example` raises for it, and drops bytes whose name is
    a file of the current folder; so columns are built here, not from dictionaries.
    """
    import pyarrow as pa

    if isinstance(paths, pa.ChunkedArray):
        chunks = [make_media(chunk) for chunk in paths.chunks]
        return pa.chunked_array(chunks, pa.struct({"bytes": pa.binary(), "path": pa.string()}))
    names = paths if isinstance(paths, pa.Array) else pa.array(paths, pa.string())
    held = pa.nulls(len(names), pa.binary()) if contents is None else pa.array(contents, pa.binary())
    return pa.StructArray.from_arrays([held, names], ["bytes", "path"])


def make_dataset(columns: Mapping[str, Any], notes: Iterable[str]) -> "datasets.Dataset":
    """A data set of Arrow columns, with the notes in its description, a line each."""
    import datasets
    import pyarrow as pa
    from datasets.table import InMemoryTable

    features = make_features(list(columns))
    arrays = [pa.chunked_array([column]) if isinstance(column, pa.Array) else column for column in columns.values()]
    table = pa.Table.from_arrays(arrays, schema=features.arrow_schema)
    return datasets.Dataset(InMemoryTable(table), info=make_info(features, notes), fingerprint=_fingerprint(table))


def _fingerprint(table: "pa.Table") -> str:
    """A hash of the contents, for caches of what is made of the data set; `datasets` would pickle the table for it."""
    content = hashlib.blake2b(str(table.schema).encode(), digest_size=8)
    for column in table.columns:
        for chunk in column.chunks:
            content.update(f"{chunk.offset} {len(chunk)}".encode())
            for buffer in chunk.buffers():
                content.update(b"-" if buffer is None else buffer)
    return content.hexdigest()


def make_info(features: "datasets.Features", notes: Iterable[str]) -> "datasets.DatasetInfo":
    """The notes as a description, a line each."""
    import datasets

    return datasets.DatasetInfo(description="\n".join(notes), features=features)


def to_text(value: Any) -> str:
    """A value of a metadata file as a string; "" where there is none."""
    return "" if value is None else str(value)


def to_strings(values: Sequence[str]) -> "tuple[pa.Array, list[int]]":
    """Strings as Arrow holds them, and the rows that were not valid Unicode, with what is not replaced by `\\ufffd`."""
    import pyarrow as pa

    try:
        return pa.array(values, pa.string()), []
    except UnicodeEncodeError:
        mended = [_SURROGATE.sub("\ufffd", value) for value in values]
        changed = [row for row, (old, new) in enumerate(zip(values, mended, strict=True)) if old != new]
        return pa.array(mended, pa.string()), changed
