"""Reading recipes as plain values: strict YAML, `base:` inheritance, dotted overrides; and writing them back.

Nothing here knows what a recipe may contain; it knows where every value came from, so that a later error can
name the file or the override to blame.
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import yaml


class RecipeError(ValueError):
    """A recipe or override that cannot be used: one line that names the place, the problem and the remedy."""


class _Loader(yaml.SafeLoader):
    """The safe loader, with duplicate keys an error, `1e-3` a number, and `no` or `off` plain words."""

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Any, Any]:
        seen: set[Any] = set()
        for key_node, _ in node.value:
            key = self.construct_object(key_node, deep=True)
            if isinstance(key, str | int | float | bool | None) and key in seen:
                raise yaml.constructor.ConstructorError(
                    None, None, f"the key {key!r} stands there twice", key_node.start_mark
                )
            if isinstance(key, str | int | float | bool | None):
                seen.add(key)
        return super().construct_mapping(node, deep=deep)


class _Dumper(yaml.SafeDumper):
    """The safe dumper, in step with `_Loader`: the string '1e-3' is quoted."""

    def ignore_aliases(self, data: Any) -> bool:  # noqa: ARG002
        return True  # a value used twice is written twice: recipes are read by people


# YAML 1.1 wants a dot in a float and reads 1e-3 as a string, so a learning rate would be text.
_EXPONENT_FLOAT = re.compile(r"^[-+]?[0-9][0-9_]*(?:\.[0-9_]*)?[eE][-+]?[0-9]+$")
# YAML 1.1 reads a bare yes, no, on or off as a boolean; `eval_strategy: no` means the word, as YAML 1.2 has it.
_BOOLEAN = re.compile(r"^(?:true|True|TRUE|false|False|FALSE)$")
# Only in the loader: what is written stays quoted, so that any reader agrees.
_Loader.yaml_implicit_resolvers = {
    first: [(tag, pattern) for tag, pattern in resolvers if tag != "tag:yaml.org,2002:bool"]
    for first, resolvers in _Loader.yaml_implicit_resolvers.items()
}
_Loader.add_implicit_resolver("tag:yaml.org,2002:bool", _BOOLEAN, list("tTfF"))
for _class in (_Loader, _Dumper):
    _class.add_implicit_resolver("tag:yaml.org,2002:float", _EXPONENT_FLOAT, list("-+0123456789"))


def parse_yaml(text: str, *, source: str) -> Any:
    """The value of a YAML text; `source` opens the error."""
    try:
        return yaml.load(text, Loader=_Loader)  # a SafeLoader
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark
        place = f" (line {mark.line + 1})" if mark is not None else ""
        raise RecipeError(f"{source}{place}: not valid YAML: {error.problem or error.context}") from error
    except (yaml.YAMLError, ValueError) as error:  # ValueError: 2024-13-45 and the like
        raise RecipeError(f"{source}: not valid YAML: {' '.join(str(error).split())}") from error


def dump_yaml(values: dict[str, Any]) -> str:
    """`values` as YAML that `parse_yaml` reads back identically; keys keep their order."""
    return yaml.dump(values, Dumper=_Dumper, sort_keys=False, allow_unicode=True, width=100)


@dataclass
class RecipeValues:
    """The merged plain values of a recipe, and which file or override each dotted key came from."""

    values: dict[str, Any] = field(default_factory=dict)
    sources: dict[str, str] = field(default_factory=dict)
    source: str = ""

    def source_of(self, key: str) -> str:
        """The source of a dotted key, or of the nearest key above it that has one."""
        parts = key.split(".")
        for length in range(len(parts), 0, -1):
            found = self.sources.get(".".join(parts[:length]))
            if found is not None:
                return found
        return self.source

    def merge(self, values: dict[str, Any], *, source: str) -> None:
        """Lay `values` over what is there: mappings merge, anything else replaces."""
        self._merge(self.values, values, prefix="", source=source)

    def _merge(self, below: dict[str, Any], above: dict[Any, Any], *, prefix: str, source: str) -> None:
        for key, value in above.items():
            dotted = f"{prefix}{key}"
            self.sources[dotted] = source
            if isinstance(value, dict):
                if not isinstance(below.get(key), dict):
                    below[key] = {}
                self._merge(below[key], value, prefix=f"{dotted}.", source=source)
            else:
                below[key] = value
                for stale in [known for known in self.sources if known.startswith(f"{dotted}.")]:
                    del self.sources[stale]


def read_recipe_values(path: Path, overrides: Sequence[str]) -> RecipeValues:
    """The values of the file at `path` over those of its bases, and the overrides over both."""
    gathered = RecipeValues(source=str(path))
    for file, values in reversed(_with_bases(path)):
        gathered.merge(values, source=str(file))
    lay_overrides(gathered, overrides)
    return gathered


def lay_overrides(gathered: RecipeValues, overrides: Sequence[str]) -> None:
    """Lay each `section.key=value` over the values."""
    for override in overrides:
        source = f"override {override!r}"
        gathered.merge(_parse_override(override, below=gathered.values, source=source), source=source)


def _with_bases(path: Path) -> list[tuple[Path, dict[str, Any]]]:
    """The file, its base, its base's base …; each `base` is relative to the file that names it."""
    chain: list[tuple[Path, dict[str, Any]]] = []
    seen: set[Path] = set()
    current: Path | None = path
    while current is not None:
        if current.resolve() in seen:
            raise RecipeError(f"{chain[-1][0]}: base {current} is this recipe itself, or is built on it")
        seen.add(current.resolve())
        values = _read_mapping(current, named_by=chain[-1][0] if chain else None)
        base = values.pop("base", None)
        if base is not None and not isinstance(base, str):
            raise RecipeError(f"{current}: base must be the path of a recipe, got {base!r}")
        chain.append((current, values))
        current = None if base is None else current.parent / base
    return chain


def _read_mapping(path: Path, *, named_by: Path | None) -> dict[str, Any]:
    if not path.is_file():
        if named_by is not None:
            raise RecipeError(f"{named_by}: base {path} does not exist; base is relative to this file")
        kind = "a folder, not a recipe file" if path.is_dir() else "not there"
        raise RecipeError(f"{path} is {kind}; expected the path of a .yaml recipe")
    try:
        text = path.read_text(encoding="utf-8")
    except UnicodeDecodeError as error:
        raise RecipeError(f"{path}: not a UTF-8 text file; expected a .yaml recipe") from error
    values = parse_yaml(text, source=str(path))
    if values is None:
        raise RecipeError(f"{path}: empty; a recipe needs at least `task: …`")
    if not isinstance(values, dict):
        raise RecipeError(f"{path}: expected sections (`task: …`, `data:` …), got a {type(values).__name__}")
    return values


def _parse_override(override: str, *, below: dict[str, Any], source: str) -> dict[str, Any]:
    """`training.max_steps=200` as {"training": {"max_steps": 200}}."""
    key, equals, text = override.partition("=")
    key = key.strip()
    parts = key.split(".")
    if not equals or not all(part.strip() == part and part for part in parts):
        raise RecipeError(f"{source}: expected section.key=value, for example training.max_steps=200")
    if key == "base":
        raise RecipeError(f"{source}: base is set in the recipe file only; write it there, or lay single keys over it")
    value = parse_yaml(text, source=source)
    for depth in range(1, len(parts)):
        existing = below.get(parts[depth - 1], {})
        if existing is not None and not isinstance(existing, dict):
            above = ".".join(parts[:depth])
            raise RecipeError(f"{source}: {above} is a value ({existing!r}), it has no keys below it")
        below = existing or {}
    for part in reversed(parts):
        value = {part: value}
    return value
