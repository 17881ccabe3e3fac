"""The defaults of a section, for the recipe that a run's folder keeps."""

import dataclasses
from collections.abc import Collection
from typing import Any


def declared_defaults(cls: type, *, left_open: Collection[str] = ()) -> dict[str, Any]:
    """Field → default of the fields that classes of this package declare; what transformers adds is left out.

    Args:
        left_open: fields that a run fills in itself, where a default written out would override what it finds.
    """
    declared = {
        name
        for ancestor in cls.__mro__
        if ancestor.__module__.startswith("heygen_hf.")
        for name in vars(ancestor).get("__annotations__", {})
    }
    defaults = {}
    for entry in dataclasses.fields(cls):
        if entry.name not in declared or entry.name in left_open:
            continue
        if entry.default is not dataclasses.MISSING:
            defaults[entry.name] = entry.default
        elif entry.default_factory is not dataclasses.MISSING:
            defaults[entry.name] = entry.default_factory()
    return {name: list(value) if isinstance(value, tuple) else value for name, value in defaults.items()}
