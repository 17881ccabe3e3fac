"""Texts that stand for a class: a caption's template, filled with its name and the names of all other columns."""

import itertools
import string
from collections.abc import Mapping, Sequence


def columns_in(template: str) -> list[str]:
    """The names in braces."""
    return [name for _, name, _, _ in string.Formatter().parse(template) if name is not None]


def check_label_template(template: str, label_columns: Sequence[str]) -> None:
    """Refuse a template that is not made of label columns.

    Raises:
        ValueError: braces that do not match, none at all, or a name that is no label column.
    """
    try:
        named = columns_in(template)
    except ValueError as error:
        raise ValueError(f"evaluation.label_template {template!r} cannot be read ({error}); write {{column}}") from None
    unknown = [name for name in named if name not in label_columns]
    if unknown or not named:
        raise ValueError(
            f"evaluation.label_template {template!r} names {repr(unknown[0]) if unknown else 'no label column'}; "
            f"data.label_columns has {', '.join(label_columns) or 'none'}, written {{column}}"
        )


def label_texts(template: str, names: Mapping[str, Sequence[str]], *, most: int) -> dict[str, list[list[str]]]:
    """For each column of the template the texts of each of its classes, in the order of `names`.

    Args:
        most: texts of a class at most, evenly spread over all of them.

    Example:
        >>> label_texts("a {colour} {digit}", {"colour": ["red", "blue"], "digit": ["7"]}, most=9)["digit"]
        [['a red 7', 'a blue 7']]
    """
    columns = list(dict.fromkeys(columns_in(template)))
    texts: dict[str, list[list[str]]] = {}
    for column in columns:
        others = [other for other in columns if other != column]
        filled = [
            dict(zip(others, values, strict=True)) for values in itertools.product(*(names[each] for each in others))
        ]
        if len(filled) > most:
            filled = [filled[place * len(filled) // most] for place in range(most)]
        texts[column] = [[template.format(**{column: name}, **values) for values in filled] for name in names[column]]
    return texts


__all__ = ["check_label_template", "columns_in", "label_texts"]
