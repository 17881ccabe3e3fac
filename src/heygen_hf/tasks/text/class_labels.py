"""Labels of texts or words, as names or numbers, to class numbers that every split shares."""

from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from transformers import AutoConfig

if TYPE_CHECKING:
    import datasets

IGNORED = -100


def number_labels(
    labels: Mapping[str, Sequence[Any]],
    *,
    column: str,
    class_names: Sequence[str] | None,
) -> tuple[list[str], dict[str, list[int]]]:
    """The classes, and the class number of every label.

    Args:
        labels: split → its labels, as names or as numbers; "train" among the splits. -100 is a label that does not
            count.
        column: their column, for messages.
        class_names: names in the order of their numbers; by default the training labels' own, sorted.

    Raises:
        ValueError: a label that is neither, or is unknown or out of range in some split; fewer than two classes; no
            label that counts.
    """
    kinds = {split: _kind(values, split, column) for split, values in labels.items()}
    if len(set(kinds.values())) > 1:
        said = ", ".join(f"{split} {kind}" for split, kind in kinds.items())
        raise ValueError(f"labels of {column!r} are of different kinds ({said}); give names or numbers in all splits")
    of_names = kinds["train"] == "names"
    counted = Counter(label for label in labels["train"] if label != IGNORED)
    if not counted:
        raise ValueError(
            f"all {len(labels['train'])} training labels of {column!r} are {IGNORED}, so there is nothing to learn; "
            "check the data"
        )
    if class_names is None:
        class_names = sorted(counted) if of_names else [str(number) for number in range(max(counted) + 1)]
    elif len(set(class_names)) < len(class_names):
        (repeated, _), *_ = Counter(class_names).most_common(1)
        raise ValueError(f"data.class_names names {repeated!r} twice; name each class once")
    number_of = {name if of_names else number: number for number, name in enumerate(class_names)}
    for split, values in labels.items():
        for place, label in enumerate(values):
            if label != IGNORED and label not in number_of:
                _refuse(label, place, split, column, class_names, of_names=of_names)
    if len(counted) < 2:
        (only,) = counted
        raise ValueError(
            f"all training labels of {column!r} are {only!r}; a classifier needs at least two classes in data.train"
        )
    numbered = {
        split: [IGNORED if label == IGNORED else number_of[label] for label in values]
        for split, values in labels.items()
    }
    for split, numbers in numbered.items():
        if all(number == IGNORED for number in numbers):
            raise ValueError(f"all {len(numbers)} {split} labels of {column!r} are {IGNORED}; check the data")
    return list(class_names), numbered


def known_names(
    column: str, dataset: "datasets.Dataset", *, given: Sequence[str] | None, exported: Path | None
) -> list[str] | None:
    """The classes' names where they are known beforehand: of a finished run, of the recipe, or of the data set."""
    if exported is not None and (exported / "config.json").is_file():
        names = AutoConfig.from_pretrained(exported).id2label
        return [names[number] for number in range(len(names))]
    if given is not None:
        return list(given)
    feature = dataset.features.get(column)
    feature = getattr(feature, "feature", feature)  # of a list of labels
    names = getattr(feature, "names", None)
    return None if names is None else list(names)


def config_of_classes(class_names: Sequence[str]) -> dict[str, dict]:
    """`id2label` and `label2id` of a model's configuration."""
    return {
        "id2label": dict(enumerate(class_names)),
        "label2id": {name: number for number, name in enumerate(class_names)},
    }


def _kind(labels: Sequence[Any], split: str, column: str) -> str:
    if not labels:
        raise ValueError(f"the {split} split has no label in {column!r}; check the data")
    for place, label in enumerate(labels):
        if not isinstance(label, str | int) or isinstance(label, bool):
            raise ValueError(
                f"label {place} of the {split} split is {label!r} in {column!r}; expected a name each, or a class "
                "number each"
            )
    of_names = [isinstance(label, str) for label in labels]
    if any(of_names):
        if not all(of_names):
            name, number = labels[of_names.index(True)], labels[of_names.index(False)]
            raise ValueError(
                f"labels of the {split} split are names and numbers ({name!r} and {number!r}) in {column!r}; give "
                "one of them"
            )
        return "names"
    return "numbers"


def _refuse(label: Any, place: int, split: str, column: str, class_names: Sequence[str], *, of_names: bool) -> None:
    if of_names:
        shown = ", ".join(class_names[:8]) + (" …" if len(class_names) > 8 else "")
        raise ValueError(
            f"label {place} of the {split} split is {label!r} in {column!r}, and the classes are {shown}; add such "
            "rows to data.train, or name all classes in data.class_names"
        )
    raise ValueError(
        f"label {place} of the {split} split is {label} in {column!r}; expected [0, {len(class_names)}), or {IGNORED} "
        "for one that does not count; correct it, or name all classes in data.class_names"
    )
