import inspect
import json
from pathlib import Path

import pytest

from heygen_hf.data.python_text import load_python_documents
from heygen_hf.data.python_text.documents import standard_library

SOURCE = '''"""What the module is for, told in more than five words."""


class Box:
    """A box that keeps things dry and safe from the rain."""

    def open(self):
        """Open the box and return whatever is inside of it."""

        def look():
            """Look into the box before anything is taken out of it."""

    def close(self):
        return "no docstring"
'''


@pytest.fixture
def library(tmp_path: Path) -> Path:
    for name in ("box.py", "kept/__init__.py", "kept/deep.py", "test/box.py", "kept/tests/box.py", "idlelib/box.py"):
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(SOURCE.replace("box", name.replace("/", " ")))
    (tmp_path / "broken.py").write_text("def (:")
    (tmp_path / "raises.py").write_text('"""Nobody may import this module, whatever happens."""\nraise SystemExit')
    return tmp_path


def docstrings(library: Path, **options: bool) -> list[tuple[str, str, str]]:
    rows = load_python_documents(library=library, **options)
    return [(row["module"], row["name"], row["kind"]) for row in rows if row["kind"] != "reference"]


def test_every_docstring_of_the_library_and_none_of_its_tests_in_the_order_of_modules(library):
    found = docstrings(library, without_near_duplicates=False)
    assert {module for module, _, _ in found} == {"box", "kept", "kept.deep", "raises"}
    assert [module for module, _, _ in found] == sorted(module for module, _, _ in found)
    assert found[:4] == [
        ("box", "", "module"),
        ("box", "Box", "class"),
        ("box", "Box.open", "function"),
        ("box", "Box.open.look", "function"),
    ]


def test_the_language_reference_comes_first_and_whole(library):
    rows = load_python_documents(library=library)
    assert rows[0]["kind"] == "reference"
    (text,) = [row["text"] for row in rows if row["name"] == "lambda" and row["kind"] == "reference"]
    assert "lambda_expr" in text


def test_copies_are_left_out(library):
    (library / "twin.py").write_text((library / "box.py").read_text())
    assert "twin" not in {module for module, _, _ in docstrings(library, without_near_duplicates=False)}


def test_docstrings_are_those_that_python_shows():
    rows = load_python_documents(library=standard_library() / "json", without_near_duplicates=False)
    texts = {(row["module"], row["name"]): row["text"] for row in rows}
    assert texts["__init__", "loads"] == inspect.getdoc(json.loads)
    assert texts["decoder", "JSONDecoder.decode"] == inspect.getdoc(json.JSONDecoder.decode)


@pytest.mark.slow
def test_the_real_library_has_megabytes_of_it_in_the_order_of_modules():
    rows = load_python_documents(without_near_duplicates=False)
    assert sum(len(text.encode()) for text in rows["text"]) > 1_500_000
    assert not any(module.split(".")[0] in ("test", "idlelib", "lib2to3") for module in rows["module"])
    assert len(set(rows["text"])) == len(rows)
    modules = [module for module, kind in zip(rows["module"], rows["kind"], strict=True) if kind != "reference"]
    assert modules == sorted(modules)
