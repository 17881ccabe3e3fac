"""Code that a repository brings: it must be readable, complete, and do without this package."""

import ast
from pathlib import Path

from heygen_hf.hub.gate.finding import Check

_PACKAGE = "heygen_hf"


def check_code(folder: Path) -> Check:
    """Every Python file of a repository's folder, and that what `auto_map` and the pipeline name is there."""
    for path in sorted(folder.rglob("*.py")):
        problem = _problem(path)
        if problem is not None:
            return Check("code", f"{path.relative_to(folder).as_posix()} {problem}")
    return Check("code")


def _problem(path: Path) -> str | None:
    try:
        tree = ast.parse(path.read_text(encoding="utf-8"))
    except (SyntaxError, UnicodeDecodeError) as error:
        return f"is no Python: {error}"
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            if any(alias.name.partition(".")[0] == _PACKAGE for alias in node.names):
                return f"imports {_PACKAGE} in line {node.lineno}, which is not there where it has to load"
        elif isinstance(node, ast.ImportFrom):
            if node.level == 0 and (node.module or "").partition(".")[0] == _PACKAGE:
                return f"imports {_PACKAGE} in line {node.lineno}, which is not there where it has to load"
            if node.level > 1 or (node.level == 1 and not (path.parent / f"{node.module}.py").is_file()):
                return f"imports {'.' * node.level}{node.module or ''} in line {node.lineno}, which is not beside it"
        elif isinstance(node, ast.Call) and _imports_package(node):
            return f"imports {_PACKAGE} in line {node.lineno}, which is not there where it has to load"
    return None


def _imports_package(call: ast.Call) -> bool:
    """`importlib.import_module("heygen_hf…")` and `__import__`."""
    name = call.func.attr if isinstance(call.func, ast.Attribute) else getattr(call.func, "id", "")
    first = call.args[0] if call.args else None
    return (
        name in ("import_module", "__import__")
        and isinstance(first, ast.Constant)
        and str(first.value).partition(".")[0] == _PACKAGE
    )
