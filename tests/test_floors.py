"""Imports inside the package go down only: no room imports from above, and rooms on one floor do not meet.

And every third-party package that is imported is declared.
"""

import ast
import sys
import tomllib
from importlib import metadata
from pathlib import Path

import pytest
from packaging.requirements import Requirement

from heygen_hf._optional import OPTIONAL_DEPENDENCIES

ROOT = Path(__file__).resolve().parents[1]
PACKAGE = ROOT / "src" / "heygen_hf"

FLOORS = {
    "cli": 6,
    "tasks": 5,
    "doctor": 5,
    "training": 4,
    "evaluation": 4,
    "hub": 4,
    "pipelines": 3,
    "models": 2,
    "data": 2,
    "processing": 1,
    "layers": 1,
    "losses": 1,
    "_optional": 0,
    "types": 0,
}
# The one arrow between rooms of a floor: a loss may use a layer.
SIDEWAYS = {("losses", "layers")}
# Entrances: above every floor, and nothing inside the package imports them.
ENTRANCES = {"__init__": "heygen_hf", "__main__": "heygen_hf.__main__"}


def wrong_arrows(package: Path) -> list[str]:
    """Every import under `package` that runs up, sideways or is relative, as `file:line: what is wrong`."""
    wrong = []
    for file in sorted(package.rglob("*.py")):
        room = file.relative_to(package).parts[0].removesuffix(".py")
        tree = ast.parse(file.read_text(encoding="utf-8"), filename=str(file))
        for node in ast.walk(tree):
            for target in _targets(node):
                problem = _problem(room, target)
                if problem:
                    wrong.append(f"{file.relative_to(package)}:{node.lineno}: {problem}")
    return wrong


def _targets(node: ast.AST) -> list[str]:
    """The dotted names that a statement imports; a relative import starts with a dot."""
    if isinstance(node, ast.Import):
        return [alias.name for alias in node.names]
    if isinstance(node, ast.ImportFrom):
        if node.level:
            return ["." * node.level + (node.module or "")]
        if node.module == "heygen_hf":  # `from heygen_hf import layers` reaches a room or the façade
            return [f"heygen_hf.{alias.name}" for alias in node.names]
        return [node.module or ""]
    return []


def _problem(room: str, target: str) -> str | None:
    if target.startswith("."):
        return f"relative import {target}"
    if target.split(".")[0] != "heygen_hf":
        return None
    if room in ENTRANCES:
        return None
    if room not in FLOORS:
        return f"the room {room} is on no floor; add it to FLOORS"
    parts = target.split(".")
    if len(parts) == 1 or parts[1] in ENTRANCES:
        return f"{room} imports the entrance {target}"
    if parts[1] == "__version__":
        return None
    if parts[1] not in FLOORS:
        return f"{room} imports {target}, which is no room but a name of the façade, or on no floor"
    other = parts[1]
    if other == room or FLOORS[other] < FLOORS[room] or (room, other) in SIDEWAYS:
        return None
    direction = "sideways" if FLOORS[other] == FLOORS[room] else "up"
    return f"{room} (floor {FLOORS[room]}) imports {direction} from {other} (floor {FLOORS[other]})"


def undeclared_imports(package: Path) -> set[str]:
    """Third-party modules that the package imports and that neither core dependencies nor the table bring."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    declared = {_canonical(Requirement(line).name) for line in project["dependencies"]}
    brought_by = metadata.packages_distributions()
    undeclared = set()
    for file in package.rglob("*.py"):
        for node in ast.walk(ast.parse(file.read_text(encoding="utf-8"))):
            for target in _targets(node):
                module = target.split(".")[0]
                if not module or module == "heygen_hf" or module in sys.stdlib_module_names | {"__future__"}:
                    continue
                distributions = {_canonical(name) for name in brought_by.get(module, [module])}
                if not distributions & declared and module not in OPTIONAL_DEPENDENCIES:
                    undeclared.add(f"{module} in {file.relative_to(package)}")
    return undeclared


def _canonical(name: str) -> str:
    return name.lower().replace("_", "-")


def test_every_package_imported_is_declared() -> None:
    assert undeclared_imports(PACKAGE) == set()


def test_an_undeclared_package_is_found(tmp_path: Path) -> None:
    (tmp_path / "planted.py").write_text("import yaml, json\nfrom torchvision.io import read_video\n")
    assert undeclared_imports(tmp_path) == {"torchvision in planted.py"}


def test_imports_go_down() -> None:
    assert wrong_arrows(PACKAGE) == []


def test_every_room_is_on_a_floor() -> None:
    rooms = {entry.name.removesuffix(".py") for entry in PACKAGE.iterdir() if entry.name != "py.typed"}
    assert rooms - {"__pycache__"} <= set(FLOORS) | set(ENTRANCES)


@pytest.mark.parametrize(
    ("file", "line", "expected"),
    [
        ("layers/norms.py", "from heygen_hf.models.auto import X", "layers (floor 1) imports up from models"),
        ("training/trainer.py", "import heygen_hf.evaluation.fid", "imports sideways from evaluation"),
        ("data/video/decode.py", "def f():\n    from heygen_hf.models import X", "data (floor 2) imports sideways"),
        ("layers/rotary.py", "from heygen_hf import losses", "layers (floor 1) imports sideways from losses"),
        ("models/a/modeling_a.py", "from ..b import X", "relative import ..b"),
        ("models/a/modeling_a.py", "from . import b", "relative import ."),
        ("tasks/text.py", "from heygen_hf import VideoTransformerModel", "a name of the façade"),
        ("tasks/text.py", "import heygen_hf", "imports the entrance heygen_hf"),
        ("utils/text.py", "from heygen_hf.layers import X", "the room utils is on no floor"),
        ("types.py", "from heygen_hf.layers import X", "types (floor 0) imports up from layers"),
    ],
)
def test_a_planted_violation_is_found(tmp_path: Path, file: str, line: str, expected: str) -> None:
    planted = tmp_path / file
    planted.parent.mkdir(parents=True, exist_ok=True)
    planted.write_text(line)
    (found,) = wrong_arrows(tmp_path)
    assert expected in found


@pytest.mark.parametrize(
    ("file", "line"),
    [
        ("losses/flow.py", "from heygen_hf.layers import X"),
        ("data/video/decode.py", "from heygen_hf.data.store import X\nfrom heygen_hf.types import Y"),
        (
            "tasks/text.py",
            "from heygen_hf.training import X\nfrom heygen_hf import __version__",
        ),
        ("__main__.py", "from heygen_hf.cli.main import main"),
    ],
)
def test_downward_arrows_pass(tmp_path: Path, file: str, line: str) -> None:
    planted = tmp_path / file
    planted.parent.mkdir(parents=True, exist_ok=True)
    planted.write_text(line)
    assert wrong_arrows(tmp_path) == []
