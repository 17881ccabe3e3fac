"""Labels of Python source: what a name is depends on where it stands."""

import pytest

from heygen_hf.data.python_text.source_labels import CONTEXT_LABELS, LONGEST_WORD, SOURCE_LABELS, label_source
from heygen_hf.data.python_text.source_tokens import load_source_tokens


def labelled(source: str) -> list[tuple[str, str]]:
    return [pair for window in label_source(source) for pair in zip(window.words, window.labels, strict=True)]


def names(source: str) -> list[tuple[str, str]]:
    """All but operators and keywords."""
    return [pair for pair in labelled(source) if pair[1] not in ("operator", "keyword")]


def test_one_word_in_many_parts() -> None:
    source = (
        "def open(open):\n"
        "    open.open(open=1)\n"
        "open = open\n"
        "class open: pass\n"
        "import open\n"
        "for open in x: pass\n"
        "except_ = 'open'  # open\n"
    )
    roles = [label for word, label in names(source) if word == "open"]
    assert roles == [
        "function",
        "parameter",
        "builtin",
        "attribute",
        "argument",
        "variable",
        "builtin",
        "class",
        "import",
        "variable",
    ]
    assert names(source)[-2:] == [("'open'", "string"), ("# open", "comment")]


@pytest.mark.parametrize(
    ("source", "expected"),
    [
        ("é = 'ü' + a.ß(id=3)", "variable string name attribute argument number"),
        (
            "@deco(x=1)\nclass A(B, metaclass=M): y: int = 2",
            "name argument number class name argument name variable builtin number",
        ),
        ("def f(a, *b, c=len, **d) -> int: pass", "function parameter parameter parameter builtin parameter builtin"),
        ("async def f(a): return lambda b: b", "function parameter parameter name"),
        ("try: pass\nexcept E as e: raise e", "name variable name"),
        ("import a.b as c\nfrom .d import (e as f,\n g)", "import import import import import import import"),
        ("[x for x in (y := range(3))]", "name variable variable builtin number"),
        ("def f():\n global g\n g = 1", "function name variable number"),
        ("a.b[c].d = e", "name attribute name attribute name"),
        ("(a\n .b\n .c)", "name attribute attribute"),
        ("a = 1\n\x0cclass B: pass", "variable number class"),
        ("x = f'{len(a)!r:>{b}}' 'c'", "variable string string"),
    ],
)
def test_parts(source: str, expected: str) -> None:
    assert [label for _, label in names(source)] == expected.split()


def test_soft_keywords() -> None:
    matched = labelled("match x:\n    case [a, *rest]: pass")
    assert [word for word, label in matched if label == "keyword"] == ["match", "case", "pass"]
    assert [word for word, label in matched if label == "variable"] == ["a", "rest"]
    assert names("match = case(type=1)") == [
        ("match", "variable"),
        ("case", "name"),
        ("type", "argument"),
        ("1", "number"),
    ]


def test_words_without_layout_and_long_ones_cut() -> None:
    words = [word for word, _ in labelled('if a:\n    """' + "x" * 100 + '"""\n\n    b\n')]
    assert words == ["if", "a", ":", '"""' + "x" * (LONGEST_WORD - 3), "b"]


def test_windows_are_whole_statements() -> None:
    windows = label_source("a = 1\n" * 5, max_words=7)
    assert [window.words for window in windows] == [["a", "=", "1"] * 2, ["a", "=", "1"] * 2, ["a", "=", "1"]]
    long = label_source("x = [" + "1, " * 20 + "]\ny = 2", max_words=16)
    assert [len(window.words) for window in long][:2] == [16, 16]
    assert sum(len(window.words) for window in long) == 2 + 1 + 40 + 1 + 3
    with pytest.raises(SyntaxError):
        label_source("def (")
    with pytest.raises(ValueError, match="max_words is 0"):
        label_source("a", max_words=0)


def test_the_standard_library_split_by_file() -> None:
    splits, report = load_source_tokens(max_files=16, held_out_share=0.3, seed=1)
    train, test = splits["train"], splits["test"]
    assert not set(train["file"]) & set(test["file"])
    assert report.num_files == {"train": len(set(train["file"])), "test": len(set(test["file"]))}
    assert report.num_files["test"] >= 2
    known = {tuple(words) for words in train["words"]}
    assert not any(tuple(words) in known for words in test["words"])
    for row in [*train, *test]:
        assert 0 < len(row["words"]) == len(row["labels"]) <= 128
    found = {label for labels in train["labels"] for label in labels}
    assert found == set(SOURCE_LABELS)
    assert set(CONTEXT_LABELS) < found
    again, _ = load_source_tokens(max_files=16, held_out_share=0.3, seed=1)
    assert again["test"]["words"] == test["words"]
