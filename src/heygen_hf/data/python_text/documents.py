"""Text that every machine has: Python's language reference, and the docstrings of its standard library."""

import ast
import os
import sysconfig
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from heygen_hf.data.text.repetition import keep_first_of_each

if TYPE_CHECKING:
    import datasets

PythonDocumentKind = Literal["reference", "module", "class", "function"]

# Tests and what is not the library's own; lib2to3 and idlelib come and go with versions and builds.
_LEFT_OUT = {"test", "tests", "idlelib", "lib2to3", "site-packages", "dist-packages", "__pycache__"}
_HOLDERS = (ast.stmt, ast.excepthandler, ast.match_case)  # definitions stand in these, never in expressions
_DOCUMENTED = (ast.Module, ast.ClassDef, ast.FunctionDef, ast.AsyncFunctionDef)


def load_python_documents(*, without_near_duplicates: bool = True, library: Path | None = None) -> "datasets.Dataset":
    """The language reference (`pydoc_data.topics`) and the standard library's docstrings, a document a row.

    Source files are parsed, never imported. Documents are in the order of their modules' names and, within one, of
    their lines; the reference comes first. The text is that of the Python that runs: another version has a little
    more or less of it (3.11: about 7,000 documents, 1.9 MB).

    Args:
        without_near_duplicates: leave out documents that repeat another one (`keep_first_of_each`), as docstrings of
            overridden methods do; False leaves out exact copies alone.
        library: another folder of source files, in place of the standard library's.

    Returns:
        Columns `text`; `module` such as "json.decoder" ("pydoc_data.topics" for the reference); `name`, qualified
        within the module ("" for the module itself); `kind`: "reference", "module", "class" or "function".

    Raises:
        ValueError: this Python has no standard library as source files.
    """
    import datasets

    rows = [*_reference(), *_docstrings(standard_library() if library is None else library)]
    columns = {name: [row[name] for row in rows] for name in ("text", "module", "name", "kind")}
    texts = columns["text"]
    kept = keep_first_of_each(texts, near=without_near_duplicates)
    return datasets.Dataset.from_dict({name: [values[row] for row in kept] for name, values in columns.items()})


def standard_library() -> Path:
    """The folder of the standard library's source files.

    Raises:
        ValueError: there is none, as in a Python packed into one file.
    """
    folder = Path(sysconfig.get_path("stdlib"))
    if not (folder / "ast.py").is_file():
        raise ValueError(
            f"this Python has no source files of its standard library in {folder}; name your own text in data.train"
        )
    return folder


def standard_library_files(folder: Path) -> Iterator[tuple[str, Path]]:
    """`(module, file)` of the library's own source files, in the order of the modules' names; no tests."""
    found = []
    for place, folders, files in os.walk(folder):
        folders[:] = [name for name in folders if name not in _LEFT_OUT]
        for name in files:
            if name.endswith(".py"):
                path = Path(place, name)
                parts = list(path.relative_to(folder).with_suffix("").parts)
                if all(part.isidentifier() for part in parts):  # others cannot be imported: parts of a build
                    found.append((".".join(parts[:-1] if parts[-1] == "__init__" and parts[:-1] else parts), path))
    yield from sorted(found)


def _reference() -> Iterator[dict[str, str]]:
    from pydoc_data.topics import topics

    for name, text in sorted(topics.items()):
        yield {"text": text.strip(), "module": "pydoc_data.topics", "name": name, "kind": "reference"}


def _docstrings(folder: Path) -> Iterator[dict[str, str]]:
    for module, path in standard_library_files(folder):
        try:
            tree = ast.parse(path.read_bytes())
        except (SyntaxError, ValueError):  # templates and deliberately broken files
            continue
        for name, node in _documented(tree, ()):
            text = ast.get_docstring(node)
            if text and text.strip():
                yield {"text": text.strip(), "module": module, "name": ".".join(name), "kind": _kind(node)}


def _documented(
    node: ast.AST, name: tuple[str, ...]
) -> Iterator[tuple[tuple[str, ...], ast.Module | ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef]]:
    """Whatever may have a docstring, with its qualified name, in the order of the file."""
    if isinstance(node, _DOCUMENTED):
        name = name if isinstance(node, ast.Module) else (*name, node.name)
        yield name, node
    for child in ast.iter_child_nodes(node):
        if isinstance(child, _HOLDERS):
            yield from _documented(child, name)


def _kind(node: ast.AST) -> PythonDocumentKind:
    if isinstance(node, ast.Module):
        return "module"
    return "class" if isinstance(node, ast.ClassDef) else "function"
