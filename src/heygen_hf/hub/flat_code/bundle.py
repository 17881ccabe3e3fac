"""Modules of the package put one behind the other in a single file that imports nothing of the package."""

import ast
import hashlib
import re
import sys
import textwrap
from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path

from heygen_hf.hub.flat_code.edits import Edit, apply_edits, span_of, whole_lines
from heygen_hf.hub.flat_code.scopes import global_uses, top_names, undefined_names
from heygen_hf.hub.flat_code.source_modules import PACKAGE, Origin, SourceModule, origin_of, source_modules

# Always there where transformers models load; anything else is imported where it is used, behind a `try`.
ALWAYS_INSTALLED = frozenset({"torch", "transformers", "numpy", "huggingface_hub", "safetensors", "PIL", "diffusers"})


@dataclass(frozen=True, eq=False)
class Bundle:
    """A flat file.

    Attributes:
        stem: the file's name without `.py`; it ends in a hash of the content, since loaders keep code of several
            repositories in one folder and one process.
        text: its content.
        names: where something is defined in the package -> its name in this file.
    """

    stem: str
    text: str
    names: dict[Origin, str] = field(repr=False)

    def write(self, folder: Path) -> Path:
        """Write `<stem>.py` into a folder."""
        path = folder / f"{self.stem}.py"
        path.write_text(self.text, encoding="utf-8", newline="\n")
        return path


def make_bundle(
    entries: Sequence[tuple[str, str]], *, stem: str, title: str, given: Bundle | None = None, footer: str = ""
) -> Bundle:
    """Flatten the classes named and all they need into one file.

    Args:
        entries: `(module, class)`.
        stem: start of the file's name.
        title: first line of its docstring.
        given: another flat file in the same folder, whose content is imported from it.
        footer: code at its end.

    Raises:
        ValueError: something that cannot be flattened: a whole module imported, a circle, a name used and not defined.
    """
    return _make_bundle(tuple(entries), stem, title, given, footer)


@cache
def _make_bundle(
    entries: tuple[tuple[str, str], ...], stem: str, title: str, given: Bundle | None, footer: str
) -> Bundle:
    origins = [origin_of(module, name) for module, name in entries]
    there = {} if given is None else given.names
    provided = {origin.module for origin in there}
    modules = [module for module in source_modules(origins) if module.name not in provided]
    names = _final_names(modules)
    header, bodies = set[str](), list[str]()
    needed: set[str] = set()
    for module in modules:
        for origin in module.imported.values():
            if origin.module in provided:
                needed.add(there[origin])
        bodies.append(_flat_module(module, {**there, **names}, header))
    text = _document(title, sorted(header), given, sorted(needed), bodies, footer)
    missing = undefined_names(text)
    if missing:
        raise ValueError(f"the flat file {stem}.py would use {', '.join(sorted(missing))} without defining it.")
    digest = hashlib.sha256(text.encode()).hexdigest()[:10]
    return Bundle(f"{stem}_{digest}", text, {**there, **names})


def _final_names(modules: list[SourceModule]) -> dict[Origin, str]:
    """Each module's own names; where another has the name already, with the module's name behind it."""
    outside = {name.partition(".")[0] for module in modules for name in _outside_imports(module)}
    taken = set(outside)
    final: dict[Origin, str] = {}
    for module in modules:
        own = top_names(module.text) - set(module.imported) - {"__all__"}
        own -= {name.partition(".")[0] for name in _outside_imports(module)} | _for_type_checkers(module)
        for name in sorted(own):
            chosen = name if name not in taken else _with_suffix(name, module)
            if chosen in taken:
                chosen = f"{name}_in_{module.name.removeprefix(f'{PACKAGE}.').replace('.', '_')}"
            taken.add(chosen)
            final[Origin(module.name, name)] = chosen
    return final


def _outside_imports(module: SourceModule) -> dict[str, str]:
    """Names that imports from elsewhere bring to the module's top -> the line that brings them."""
    lines = {}
    for node in module.tree.body:
        if isinstance(node, ast.Import | ast.ImportFrom) and node not in module.statements:
            for alias in node.names:
                renamed = f" as {alias.asname}" if alias.asname else ""
                source = f"from {node.module} import " if isinstance(node, ast.ImportFrom) else "import "
                name = alias.asname or alias.name.partition(".")[0]
                lines[name if isinstance(node, ast.ImportFrom) or alias.asname else alias.name] = (
                    f"{source}{alias.name}{renamed}"
                )
    return lines


def _flat_module(module: SourceModule, names: dict[Origin, str], header: set[str]) -> str:
    """The module's text without imports at its top, with the names it has in the flat file."""
    renamed = {name: names[origin] for name, origin in module.imported.items()}
    renamed |= {o.name: final for o, final in names.items() if o.module == module.name}
    for name, line in _outside_imports(module).items():
        before = next((other for other in header if _binds(other, name)), None)
        if before is None:
            header.add(line)
        elif before != line and _imported(before, name) is not _imported(line, name):
            renamed[name] = _with_suffix(name, module)
            header.add(f"{line.partition(' as ')[0]} as {renamed[name]}")
    renamed = {name: final for name, final in renamed.items() if name != final}

    edits: list[Edit] = []
    top = set(module.tree.body)
    left_out = set(module.statements) | {node for node in ast.walk(module.tree) if _is_for_type_checkers(node)}
    for node in ast.walk(module.tree):
        if node in left_out or (node in top and _is_left_out(node)):
            edits.append(whole_lines(module.text, node, "" if node in top else "pass"))
        elif isinstance(node, ast.Import | ast.ImportFrom) and not _always_there(node):
            edits.append(_guarded(module.text, node))
    docstring = ast.get_docstring(module.tree)
    if docstring is not None:
        edits.append(whole_lines(module.text, module.tree.body[0], ""))
    edits = [edit for edit in edits if not any(_holds(other, edit) for other in edits)]
    for node, name, local in global_uses(module.tree, module.text):
        if name not in renamed:
            continue
        if renamed[name] in local:
            raise ValueError(f"{module.name}: {renamed[name]}, the flat name of {name}, is taken by a local variable.")
        edits.append(Edit(*span_of(module.text, node, name), renamed[name]))
    edits += _quoted_annotations(module, renamed)
    body = apply_edits(module.text, edits).strip("\n")
    about = "" if not docstring else f": {docstring.strip().splitlines()[0]}"
    return f"# {'-' * 8} {module.name.replace('.', ' / ')}{about}\n\n{body}\n"


def _with_suffix(name: str, module: SourceModule) -> str:
    return f"{name}_in_{module.name.rpartition('.')[2].lstrip('_')}"


def _is_left_out(node: ast.AST) -> bool:
    if isinstance(node, ast.Assign):
        return any(isinstance(target, ast.Name) and target.id == "__all__" for target in node.targets)
    return isinstance(node, ast.Import | ast.ImportFrom)


def _is_for_type_checkers(node: ast.AST) -> bool:
    return isinstance(node, ast.If) and isinstance(node.test, ast.Name) and node.test.id == "TYPE_CHECKING"


def _for_type_checkers(module: SourceModule) -> set[str]:
    """Names that only quoted annotations use."""
    blocks = [node for node in module.tree.body if _is_for_type_checkers(node)]
    imports = [node for block in blocks for node in ast.walk(block) if isinstance(node, ast.Import | ast.ImportFrom)]
    return {alias.asname or alias.name.partition(".")[0] for node in imports for alias in node.names}


def _holds(outer: Edit, inner: Edit) -> bool:
    return outer != inner and outer.start <= inner.start and inner.end <= outer.end


def _always_there(node: ast.Import | ast.ImportFrom) -> bool:
    top = (str(node.module) if isinstance(node, ast.ImportFrom) else node.names[0].name).partition(".")[0]
    return top in ALWAYS_INSTALLED or top in sys.stdlib_module_names


def _guarded(text: str, node: ast.Import | ast.ImportFrom) -> Edit:
    """Behind a `try`, so that loaders do not ask for the package before it is used."""
    top = (str(node.module) if isinstance(node, ast.ImportFrom) else node.names[0].name).partition(".")[0]
    indent = " " * node.col_offset
    lines = [
        "try:",
        f"{indent}    {ast.unparse(node)}",
        f"{indent}except ImportError as error:",
        f'{indent}    raise ImportError("this needs the package {top}") from error',
    ]
    start, end = span_of(text, node, None)
    return Edit(start, end, "\n".join(lines))


def _quoted_annotations(module: SourceModule, renamed: dict[str, str]) -> list[Edit]:
    edits = []
    for node in ast.walk(module.tree):
        for annotation in (getattr(node, "annotation", None), getattr(node, "returns", None)):
            for part in [] if annotation is None else ast.walk(annotation):
                if isinstance(part, ast.Constant) and isinstance(part.value, str):
                    changed = re.sub(r"\w+", lambda m: renamed.get(m[0], m[0]), part.value)
                    if changed != part.value:
                        edits.append(Edit(*span_of(module.text, part, None), repr(changed)))
    return edits


def _binds(line: str, name: str) -> bool:
    return line.rpartition(" ")[2] == name


def _imported(line: str, name: str) -> object:
    """What an import statement of the package brings; some classes of transformers have two addresses."""
    found: dict[str, object] = {}
    exec(line, found)
    return found[name]


def _document(
    title: str, header: list[str], given: Bundle | None, needed: list[str], bodies: list[str], footer: str
) -> str:
    parts = [
        f'"""{title}\n\nMade from the source of {PACKAGE}, module by module; it needs no part of it installed.\n"""',
        "# ruff: noqa\n",
        "\n".join([*(line for line in header if line.startswith("import ")), *_grouped(header)]),
    ]
    if given is not None and needed:
        parts.append(_from_import(f".{given.stem}", needed))
    parts += bodies
    if footer:
        parts.append(footer)
    return "\n\n".join(part.strip("\n") for part in parts) + "\n"


def _grouped(header: list[str]) -> list[str]:
    """`from` imports, one statement for each module."""
    names: dict[str, list[str]] = {}
    for line in header:
        if line.startswith("from "):
            module, _, name = line.removeprefix("from ").partition(" import ")
            names.setdefault(module, []).append(name)
    return [_from_import(module, sorted(found)) for module, found in sorted(names.items())]


def _from_import(module: str, names: list[str]) -> str:
    line = f"from {module} import {', '.join(names)}"
    if len(line) <= 120:
        return line
    listed = textwrap.fill(", ".join(names), width=116, break_long_words=False)
    return f"from {module} import (\n{textwrap.indent(listed, '    ')},\n)"
