"""The modules of this package that a class needs, in the order in which they can be executed."""

import ast
from collections.abc import Iterator
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path

PACKAGE = "heygen_hf"
_SOURCE = Path(__file__).resolve().parents[3]


@dataclass(frozen=True)
class Origin:
    """Where a name is defined."""

    module: str
    name: str


@dataclass
class SourceModule:
    """One module as text and tree.

    Attributes:
        imported: local name -> where in the package it is defined.
        statements: the imports from the package, which a flat file does without.
    """

    name: str
    text: str
    tree: ast.Module
    imported: dict[str, Origin] = field(default_factory=dict)
    statements: list[ast.ImportFrom] = field(default_factory=list)


def source_modules(entries: list[Origin]) -> list[SourceModule]:
    """The modules that define the entries and all they import, each behind those it imports.

    Raises:
        ValueError: an import that cannot be flattened: of a whole module, of all names, or in a circle.
    """
    found: dict[str, SourceModule] = {}
    entered: list[str] = []

    def visit(name: str) -> None:
        if name in found:
            return
        if name in entered:
            raise ValueError(f"{name} imports itself by way of {entered[-1]}: it cannot be made one flat file.")
        entered.append(name)
        module = _read(name)
        for origin in module.imported.values():
            visit(origin.module)
        entered.pop()
        found[name] = module

    for entry in entries:
        visit(entry.module)
    return list(found.values())


@cache
def origin_of(module: str, name: str) -> Origin:
    """Where a name that `module` offers is defined: façades are followed to the file behind them."""
    path = _file_of(module)
    if path.name != "__init__.py":
        return Origin(module, name)
    if (path.parent / name).is_dir() or (path.parent / f"{name}.py").is_file():
        raise ValueError(f"from {module} import {name} takes a whole module; import the names that are needed.")
    for statement in _facade(path):
        for alias in statement.names:
            if (alias.asname or alias.name) == name:
                return origin_of(str(statement.module), alias.name)
    return Origin(module, name)


@cache
def _read(name: str) -> SourceModule:
    text = _file_of(name).read_text(encoding="utf-8")
    module = SourceModule(name, text, ast.parse(text))
    for statement in _package_imports(module.tree):
        module.statements.append(statement)
        for alias in statement.names:
            if alias.name == "*":
                raise ValueError(f"{name} imports * from {statement.module}; name what it needs.")
            module.imported[alias.asname or alias.name] = origin_of(str(statement.module), alias.name)
    return module


@cache
def _facade(path: Path) -> list[ast.ImportFrom]:
    return list(_package_imports(ast.parse(path.read_text(encoding="utf-8"))))


def _package_imports(tree: ast.Module) -> Iterator[ast.ImportFrom]:
    for node in ast.walk(tree):
        if isinstance(node, ast.Import) and any(alias.name.split(".")[0] == PACKAGE for alias in node.names):
            raise ValueError(f"import {node.names[0].name} cannot be flattened; write from … import NAME.")
        if isinstance(node, ast.ImportFrom) and (node.module or "").split(".")[0] == PACKAGE:
            yield node


def _file_of(module: str) -> Path:
    """Found without importing anything."""
    path = _SOURCE / module.replace(".", "/")
    path = path / "__init__.py" if path.is_dir() else path.with_suffix(".py")
    if not path.is_file():
        raise ValueError(f"{module} has no source file.")
    return path
