"""Which libraries a figure was measured with."""

import platform
from functools import cache
from importlib import metadata

_LIBRARIES = ("heygen_hf", "torch", "transformers", "numpy", "av")


def library_versions() -> dict[str, str]:
    """Name → version of what takes part in a measurement, and of Python."""
    return dict(_versions())


@cache
def _versions() -> tuple[tuple[str, str], ...]:
    found = [("python", platform.python_version())]
    for name in _LIBRARIES:
        try:
            found.append((name, metadata.version(name)))
        except metadata.PackageNotFoundError:
            continue
    return tuple(found)
