"""The classes of one label column, or of several: their names, numbers and targets."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import torch

from heygen_hf.data import class_names


@dataclass(frozen=True)
class LabelNames:
    """The classes of each label column, numbered column after column.

    One column is a plain classification. Several are one multi-label problem, whose classes are called
    "column: value"; of each column the class with the largest score is the prediction.

    Attributes:
        columns: label column → class names.
    """

    columns: dict[str, list[str]]

    @property
    def is_one_column(self) -> bool:
        return len(self.columns) == 1

    @property
    def problem_type(self) -> str:
        """As transformers' configurations call it."""
        return "single_label_classification" if self.is_one_column else "multi_label_classification"

    @property
    def id2label(self) -> dict[int, str]:
        """Number → name, for a model's configuration."""
        if self.is_one_column:
            return dict(enumerate(*self.columns.values()))
        return dict(enumerate(f"{column}: {name}" for column, names in self.columns.items() for name in names))

    @classmethod
    def from_id2label(cls, id2label: Mapping[int, str], columns: Sequence[str]) -> "LabelNames":
        """The reverse of `id2label`.

        Raises:
            ValueError: a column has no class there.
        """
        names = [id2label[number] for number in sorted(id2label)]
        if len(columns) == 1:
            return cls({columns[0]: names})
        held = {
            column: [name.removeprefix(f"{column}: ") for name in names if name.startswith(f"{column}: ")]
            for column in columns
        }
        if any(not classes for classes in held.values()) or cls(held).id2label != dict(enumerate(names)):
            raise ValueError(
                f"the model's classes ({', '.join(names[:4])}, …) are not those of the label columns "
                f"{', '.join(columns)}; give the columns it was trained with."
            )
        return cls(held)

    def targets(self, class_ids: torch.Tensor) -> torch.Tensor:
        """`labels` as models take them, from the class numbers within each column, `(batch,)` or `(batch, columns)`.

        Returns:
            `(batch,)` for one column; else `(batch, classes)` zeros and ones.
        """
        if self.is_one_column:
            return class_ids
        sizes = [len(names) for names in self.columns.values()]
        parts = [torch.nn.functional.one_hot(class_ids[:, place], size) for place, size in enumerate(sizes)]
        return torch.cat(parts, dim=1).float()

    def predictions(self, logits: torch.Tensor) -> dict[str, list[str]]:
        """Column → the name predicted for each row of `(batch, classes)`."""
        parts = logits.split([len(names) for names in self.columns.values()], dim=1)
        return {
            column: [names[number] for number in part.argmax(dim=1).tolist()]
            for (column, names), part in zip(self.columns.items(), parts, strict=True)
        }


def label_names(labels: Mapping[str, Sequence[str]], columns: Sequence[str]) -> LabelNames:
    """The classes that occur in the training clips.

    Args:
        labels: column → a value for each clip.

    Raises:
        ValueError: an empty value, a single class, or nearly as many classes as clips.
    """
    found: dict[str, list[str]] = {}
    for column in columns:
        values = labels[column]
        for row, value in enumerate(values):
            if not str(value).strip():
                raise ValueError(
                    f"data.label_columns: training clip {row} has no value in {column!r}; fill it in, or leave the "
                    "clip out."
                )
        names = class_names(values)
        if len(names) < 2:
            raise ValueError(
                f"data.label_columns: all {len(values)} training clips have {names[0]!r} in {column!r}, and one class "
                "leaves nothing to learn; add clips of another, or name another column."
            )
        if len(names) > len(values) / 2:
            raise ValueError(
                f"data.label_columns: {column!r} has {len(names)} different values in {len(values)} training clips; "
                "name a column of classes, with two clips or more for each."
            )
        found[column] = names
    return LabelNames(found)


def check_known(labels: Mapping[str, Sequence[str]], names: LabelNames, *, where: str, knows: str) -> None:
    """Refuse values that the model has no class for.

    Args:
        where: whose labels these are, such as "data.test".
        knows: where the classes come from, such as "the training clips".

    Raises:
        ValueError: names them.
    """
    for column, known in names.columns.items():
        values = labels[column]
        unknown = sorted({str(value) for value in values} - set(known))
        if unknown:
            count = sum(str(value) in unknown for value in values)
            raise ValueError(
                f"{where}: {count} clips have {', '.join(map(repr, unknown[:5]))} in {column!r}, and {knows} "
                f"have {', '.join(known[:20])} only; add such clips to both, or leave them out."
            )
