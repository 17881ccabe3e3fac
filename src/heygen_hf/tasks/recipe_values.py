"""From plain values to typed ones: what a field's annotation accepts, and what a wrong value is told.

Accepted: `bool`, `int`, `float` (also integers and numeric strings), `str`, `Path`, `Literal`, enums by
value, `list`, `tuple`, `set`, `dict`, unions, `None` and nested dataclasses. A boolean is never a number.
"""

import dataclasses
import difflib
import enum
import inspect
import json
import re
import sys
import types
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Annotated, Any, Literal, Union, get_args, get_origin

_NUMBER = re.compile(r"^[-+]?(\d[\d_]*\.?[\d_]*|\.\d+)([eE][-+]?\d+)?$")


class ValueMismatchError(Exception):
    """A value that its place does not accept; `where` is the dotted key."""

    def __init__(self, where: str, problem: str) -> None:
        super().__init__(f"{where} {problem}")
        self.where = where
        self.problem = problem


def coerce(value: Any, annotation: Any, *, where: str) -> Any:
    """`value` as `annotation` wants it.

    Raises:
        ValueMismatchError: it does not fit.
    """
    origin = get_origin(annotation)
    if annotation is Any:
        return value
    if origin is Annotated:
        return coerce(value, get_args(annotation)[0], where=where)
    if origin in (Union, types.UnionType):
        return _coerce_union(value, get_args(annotation), annotation, where=where)
    if origin is Literal:
        for choice in get_args(annotation):
            if type(choice) is type(value) and choice == value:
                return choice
        raise _mismatch(value, annotation, where=where)
    if origin in (list, set, frozenset, tuple, Sequence, Iterable) or annotation in (list, set, tuple):
        return _coerce_sequence(value, annotation, where=where)
    if origin in (dict, Mapping) or annotation is dict:
        return _coerce_mapping(value, annotation, where=where)
    if dataclasses.is_dataclass(annotation) and isinstance(value, dict):
        return build_dataclass(annotation, value, where=where)  # type: ignore[arg-type]
    return _coerce_scalar(value, annotation, where=where)


def _coerce_scalar(value: Any, annotation: Any, *, where: str) -> Any:
    if annotation is None or annotation is types.NoneType:
        accepted = value is None
    elif annotation is bool:
        accepted = isinstance(value, bool)
    elif annotation is int:
        accepted = isinstance(value, int) and not isinstance(value, bool)
    elif annotation is float:
        numeric = isinstance(value, str) and _NUMBER.match(value)
        if numeric or (isinstance(value, int | float) and not isinstance(value, bool)):
            return float(value)
        accepted = False
    elif annotation is str:
        accepted = isinstance(value, str)
    elif annotation is Path:
        if isinstance(value, str) and value:
            return Path(value)
        accepted = isinstance(value, Path)
    elif isinstance(annotation, type) and issubclass(annotation, enum.Enum):
        for member in annotation:
            if member is value or (type(member.value) is type(value) and member.value == value):
                return member
        accepted = False
    elif isinstance(annotation, type):
        # A class with no form in YAML (torch.dtype …) takes its instances; `str | torch.dtype` a name.
        accepted = isinstance(value, annotation)
    else:
        accepted = True  # Any, type variables: nothing to check against
    if not accepted:
        raise _mismatch(value, annotation, where=where)
    return value


def _coerce_union(value: Any, members: tuple[Any, ...], annotation: Any, *, where: str) -> Any:
    if isinstance(value, dict):
        sections = [member for member in members if dataclasses.is_dataclass(member)]
        if len(sections) == 1:  # its error is worth more than "does not fit the union"
            return coerce(value, sections[0], where=where)
    results = []
    for member in members:
        try:
            results.append(coerce(value, member, where=where))
        except ValueMismatchError:
            continue
    if not results:
        raise _mismatch(value, annotation, where=where)
    # `float | int` leaves 3 an integer, `Path | str` leaves text alone: what needs no conversion comes first.
    unchanged = [result for result in results if type(result) is type(value)]
    return (unchanged or results)[0]


def _coerce_sequence(value: Any, annotation: Any, *, where: str) -> Any:
    if not isinstance(value, list | tuple | set | frozenset):
        raise _mismatch(value, annotation, where=where)
    container = get_origin(annotation) or annotation
    arguments = get_args(annotation)
    items = list(value)
    if container is tuple and arguments and arguments[-1] is not Ellipsis:
        if len(items) != len(arguments):
            raise ValueMismatchError(where, f"must have {len(arguments)} values, got {_shown(value)}")
        item_types: list[Any] = list(arguments)
    else:
        item_types = [arguments[0] if arguments else Any] * len(items)
    coerced = [
        coerce(item, item_type, where=f"{where}[{position}]")
        for position, (item, item_type) in enumerate(zip(items, item_types, strict=True))
    ]
    return container(coerced) if container in (tuple, set, frozenset) else coerced


def _coerce_mapping(value: Any, annotation: Any, *, where: str) -> Any:
    if not isinstance(value, dict):
        raise _mismatch(value, annotation, where=where)
    key_type, value_type = get_args(annotation) or (Any, Any)
    return {
        coerce(key, key_type, where=f"{where}.{key}"): coerce(item, value_type, where=f"{where}.{key}")
        for key, item in value.items()
    }


def build_dataclass(cls: type, values: dict[str, Any], *, where: str) -> Any:
    """An instance of the dataclass `cls`; its own `ValueError`s are reported at `where`."""
    keywords = check_keywords(cls, values, where=where)
    for field in dataclasses.fields(cls):
        required = field.default is dataclasses.MISSING and field.default_factory is dataclasses.MISSING
        if required and field.init and field.name not in keywords:
            key = f"{where}.{field.name}"
            raise ValueMismatchError(key, f"is missing; set it in the recipe, or as {key}=… on the command line")
    try:
        return cls(**keywords)
    except ValueMismatchError:
        raise
    except ValueError as error:
        raise ValueMismatchError(where, f"does not fit: {error}") from error


def check_keywords(cls: type, values: dict[str, Any], *, where: str) -> dict[str, Any]:
    """`values` checked and converted against the dataclass fields of `cls`, which is not instantiated."""
    fields = {field.name: field for field in dataclasses.fields(cls) if field.init}
    annotations = _annotations(cls)
    for key in values:
        if key not in fields:
            raise ValueMismatchError(f"{where}.{key}", unknown_key(key, fields, where=where))
    return {key: coerce(value, annotations.get(key, Any), where=f"{where}.{key}") for key, value in values.items()}


def _annotations(cls: type) -> dict[str, Any]:
    """The fields' types; one that names what only type checkers import goes unchecked, the others do not."""
    annotations: dict[str, Any] = {}
    for ancestor in reversed(cls.__mro__):
        names = vars(sys.modules[ancestor.__module__])
        for name, annotation in inspect.get_annotations(ancestor).items():
            if isinstance(annotation, str):
                try:
                    annotation = eval(annotation, names)  # get_type_hints gives up at the first
                except Exception:
                    annotation = Any
            annotations[name] = annotation
    return annotations


def unknown_key(key: Any, known: Iterable[str], *, where: str = "") -> str:
    """`is not a known key; did you mean …?`"""
    prefix = f"{where}." if where else ""
    nearest = nearest_of(str(key), known)
    if nearest:
        return f"is not a known key; did you mean {prefix}{nearest}?"
    names = sorted(known)
    listed = ", ".join(names[:15]) + (" …" if len(names) > 15 else "")
    return f"is not a known key; {where or 'a recipe'} has {listed or 'no keys'}"


def nearest_of(key: str, known: Iterable[str]) -> str | None:
    """The known key most like `key`, or None where none is alike."""
    by_folded = {name.casefold().replace("-", "_"): name for name in known}
    matches = difflib.get_close_matches(key.casefold().replace("-", "_"), by_folded, n=1, cutoff=0.6)
    return by_folded[matches[0]] if matches else None


def plain(value: Any) -> Any:
    """A typed value as YAML can hold it; `coerce` turns it back."""
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        return {field.name: plain(getattr(value, field.name)) for field in dataclasses.fields(value) if field.init}
    if isinstance(value, enum.Enum):
        return value.value
    if isinstance(value, Path):
        return str(value)
    if isinstance(value, dict):
        return {plain(key): plain(item) for key, item in value.items()}
    if isinstance(value, set | frozenset):
        return sorted(plain(item) for item in value)
    if isinstance(value, list | tuple):
        return [plain(item) for item in value]
    return value


def _mismatch(value: Any, annotation: Any, *, where: str) -> ValueMismatchError:
    problem = f"must be {describe(annotation)}, got {_shown(value)}"
    accepts_text = "a string" in describe(annotation) or "one of" in describe(annotation)
    if accepts_text and value is not None and not isinstance(value, str | list | dict):
        problem += " (put it in quotes)"
    elif isinstance(value, str) and "a list" in describe(annotation):
        problem += f" (for a list of one: [{value}])"
    return ValueMismatchError(where, problem)


def describe(annotation: Any) -> str:
    """An annotation in words, as the end of "must be …"."""
    words = {bool: "true or false", int: "an integer", float: "a number", str: "a string", Path: "a path"}
    words |= {None: "null", types.NoneType: "null", dict: "a mapping", list: "a list", tuple: "a list"}
    if annotation in words:
        return words[annotation]
    origin, arguments = get_origin(annotation), get_args(annotation)
    if origin is Annotated:
        return describe(arguments[0])
    if origin in (Union, types.UnionType):
        return " or ".join(dict.fromkeys(describe(member) for member in arguments))
    if origin is Literal:
        return "one of " + ", ".join(str(plain(choice)) for choice in arguments)
    if origin in (dict, Mapping) or dataclasses.is_dataclass(annotation):
        return "a mapping"
    if origin is tuple and arguments and arguments[-1] is not Ellipsis:
        return "a list of " + ", ".join(describe(item) for item in arguments)
    if origin in (list, set, frozenset, tuple, Sequence, Iterable):
        return f"a list, each {describe(arguments[0])}"
    if isinstance(annotation, type) and issubclass(annotation, enum.Enum):
        return "one of " + ", ".join(str(member.value) for member in annotation)
    return getattr(annotation, "__name__", str(annotation))


def _shown(value: Any) -> str:
    text = json.dumps(value, default=str, ensure_ascii=False)
    return text if len(text) <= 80 else text[:77] + "..."
