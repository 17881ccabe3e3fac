"""Python's own source files as words with the part each plays: labels from `tokenize` and `ast`, in plenty.

A word is a token of the file. What strings, numbers and comments are, the word itself says; whether `open` is a
builtin, a method, an argument's name or a function being defined, only what stands around it says.
"""

import ast
import bisect
import builtins
import io
import keyword
import tokenize
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from heygen_hf.data.python_text.documents import standard_library, standard_library_files
from heygen_hf.data.text.repetition import split_held_out

if TYPE_CHECKING:
    import datasets

SOURCE_LABELS = (
    "keyword",  # if, None, and `match` or `type` where they are one
    "builtin",  # len, where it is read by itself
    "name",  # any other name that is read
    "variable",  # a name that is bound: by assignment, for, with, except, …
    "function",  # a function's or method's name where it is defined
    "class",  # a class's
    "parameter",  # where a function is defined
    "argument",  # the name of a keyword argument, where something is called
    "attribute",  # after a dot
    "import",  # modules, and what is imported from them
    "string",
    "number",
    "comment",
    "operator",  # brackets, commas and colons among them
)
"""The labels, in the order of their numbers."""

CONTEXT_LABELS = SOURCE_LABELS[1:10]
"""Labels of words that could have another one elsewhere."""

LONGEST_WORD = 40  # characters; a docstring is one word, and its beginning says as much
_BUILTINS = frozenset(dir(builtins)) - {"_"}
_SOFT_KEYWORDS = frozenset({"match", "case", "type"})
_LEFT_OUT = frozenset({"encodings", "pydoc_data"})  # tables: thousands of lines that are all alike


class SourceWords(NamedTuple):
    """Neighbouring statements.

    Attributes:
        words: the tokens, long ones cut to `LONGEST_WORD` characters.
        labels: for each of them, one of `SOURCE_LABELS`.
    """

    words: list[str]
    labels: list[str]


@dataclass
class SourceReport:
    """What became of every file.

    Attributes:
        num_files, num_windows, num_words: of each split.
        num_repeated: windows held out and then left out, because the training files have the same words.
        skipped: `(file, reason)`.
    """

    num_files: dict[str, int]
    num_windows: dict[str, int]
    num_words: dict[str, int]
    num_repeated: int
    skipped: list[tuple[str, str]]


def label_source(source: str, *, max_words: int = 128) -> list[SourceWords]:
    """Label the words of Python source.

    Args:
        source: a whole file.
        max_words: the most words of a window; it is made of whole statements, and only one that is longer by itself
            is divided.

    Raises:
        SyntaxError: it is not Python; `ValueError` for null bytes.

    Example:
    ```python
    >>> label_source("def f(a):\\n    return a")[0].labels
    ['keyword', 'function', 'operator', 'parameter', 'operator', 'operator', 'keyword', 'name']
    ```
    """
    if max_words < 1:
        raise ValueError(f"max_words is {max_words}; expected at least 1")
    tree = ast.parse(source)  # first: its errors say more than those of `tokenize`
    tokens = list(tokenize.generate_tokens(io.StringIO(source).readline))
    lines = io.StringIO(source).readlines()  # as `tokenize` counts them: a form feed begins no line
    roles = _roles(tree, lines, [token for token in tokens if token.type == tokenize.NAME])
    windows, window, statement = [], SourceWords([], []), SourceWords([], [])

    def close_statement() -> None:
        nonlocal window, statement
        if window.words and len(window.words) + len(statement.words) > max_words:
            windows.append(window)
            window = SourceWords([], [])
        window.words.extend(statement.words)
        window.labels.extend(statement.labels)
        statement = SourceWords([], [])
        while len(window.words) > max_words:
            windows.append(SourceWords(window.words[:max_words], window.labels[:max_words]))
            window = SourceWords(window.words[max_words:], window.labels[max_words:])

    for word, label in _labelled(lines, tokens, roles):
        if word is None:
            close_statement()
        else:
            statement.words.append(word[:LONGEST_WORD])
            statement.labels.append(label)
    close_statement()
    if window.words:
        windows.append(window)
    return windows


def load_source_tokens(
    *, max_words: int = 128, held_out_share: float = 0.1, seed: int = 0, max_files: int | None = None
) -> "tuple[datasets.DatasetDict, SourceReport]":
    """The standard library's source files, labelled, and split by file.

    A held-out file shares at most half of its runs of five words with the training files, and no held-out window is
    the same as one of theirs. The files are those of the Python that runs; another version has others.

    Args:
        max_words: of a window.
        held_out_share: of the files.
        seed: another one holds out other files.
        max_files: at most so many files, evenly spread over the library; None for all.

    Returns:
        Splits "train" and "test" with columns `words` and `labels` (names), `file`; and the account of the files.

    Raises:
        ValueError: this Python has no standard library as source files.
    """
    import datasets

    folder = standard_library()
    files = [entry for entry in standard_library_files(folder) if entry[0].split(".")[0] not in _LEFT_OUT]
    if max_files is not None and max_files < len(files):
        files = [files[number * len(files) // max_files] for number in range(max_files)]
    windows_of: dict[str, list[SourceWords]] = {}
    texts: dict[str, str] = {}
    skipped = []
    for _, path in files:
        name = path.relative_to(folder).as_posix()
        try:
            source = _read(path)
            windows = label_source(source, max_words=max_words)
        except (SyntaxError, ValueError) as error:  # templates, and files that are broken on purpose
            skipped.append((name, f"is not Python ({str(error).splitlines()[0]})"))
            continue
        if windows:
            windows_of[name], texts[name] = windows, source
    names = list(texts)
    train, held_out = split_held_out(list(texts.values()), share=held_out_share, seed=seed)
    known = {tuple(window.words) for number in train for window in windows_of[names[number]]}
    rows: dict[str, list[dict[str, Any]]] = {"train": [], "test": []}
    num_repeated = 0
    for split, numbers in (("train", train), ("test", held_out)):
        for number in numbers:
            for window in windows_of[names[number]]:
                if split == "test" and tuple(window.words) in known:
                    num_repeated += 1
                    continue
                rows[split].append({"words": window.words, "labels": window.labels, "file": names[number]})
    report = SourceReport(
        num_files={split: len({row["file"] for row in each}) for split, each in rows.items()},
        num_windows={split: len(each) for split, each in rows.items()},
        num_words={split: sum(len(row["words"]) for row in each) for split, each in rows.items()},
        num_repeated=num_repeated,
        skipped=skipped,
    )
    splits = {split: datasets.Dataset.from_list(each) for split, each in rows.items()}
    return datasets.DatasetDict(splits), report


def _read(path: Path) -> str:
    with tokenize.open(path) as file:  # in the encoding that the file declares
        return file.read()


Place = tuple[int, int]  # line from 1, character from 0


def _labelled(
    lines: list[str], tokens: list[tokenize.TokenInfo], roles: dict[Place, str]
) -> Iterator[tuple[str | None, str]]:
    """Words with labels, and `(None, "")` where a statement ends."""
    string_start: Place | None = None
    depth = 0
    previous = ""
    for token in tokens:
        kind = tokenize.tok_name[token.type]
        # From Python 3.12 on, the parts of an f-string are tokens of their own; here it is one word.
        if kind.endswith("STRING_START"):
            depth += 1
            string_start = string_start or token.start
        elif kind.endswith("STRING_END"):
            depth -= 1
            if not depth and string_start is not None:
                yield _between(lines, string_start, token.end), "string"
                string_start = None
        elif depth or not token.string.strip():
            if kind == "NEWLINE":
                yield None, ""
        elif kind == "NAME":
            yield token.string, _label_of_name(token.string, roles.get(token.start), previous)
        elif kind in ("OP", "NUMBER", "STRING", "COMMENT"):
            yield token.string, {"OP": "operator"}.get(kind, kind.lower())
        elif kind == "NEWLINE":  # one that a file lacks at its end, as some versions have it
            yield None, ""
        if kind not in ("COMMENT", "NL"):
            previous = token.string


def _label_of_name(word: str, role: str | None, previous: str) -> str:
    if keyword.iskeyword(word):
        return "keyword"
    if role is None and previous == "as":  # `except E as word`: the tree has no place for it
        return "variable"
    if role is None and word in _SOFT_KEYWORDS:
        return "keyword"
    if role is None and previous == ".":
        return "attribute"
    return role or "name"


def _between(lines: list[str], start: Place, end: Place) -> str:
    (first, begin), (last, stop) = start, end
    if first == last:
        return lines[first - 1][begin:stop]
    return lines[first - 1][begin:] + "".join(lines[first : last - 1]) + lines[last - 1][:stop]


def _roles(tree: ast.AST, lines: list[str], name_tokens: list[tokenize.TokenInfo]) -> dict[Place, str]:
    """What the syntax tree says about names, by where they begin."""
    places = [token.start for token in name_tokens]
    names = [token.string for token in name_tokens]
    roles: dict[Place, str] = {}

    def place_of(line: int, byte: int) -> Place:
        text = lines[line - 1]
        # The tree counts UTF-8 bytes.
        return (line, byte if text.isascii() else len(text.encode()[:byte].decode(errors="ignore")))

    def first_name(node: ast.AST, word: str, role: str) -> None:
        """The first token `word` from the beginning of the node."""
        start = bisect.bisect_left(places, place_of(node.lineno, node.col_offset))  # type: ignore[attr-defined]
        for number in range(start, min(start + 50, len(names))):
            if names[number] == word:
                roles.setdefault(places[number], role)
                return

    def visit(node: ast.AST) -> None:
        if isinstance(node, ast.JoinedStr) or type(node).__name__ == "TemplateStr":
            return  # one word
        if isinstance(node, ast.Name):
            place = place_of(node.lineno, node.col_offset)
            if isinstance(node.ctx, ast.Store):
                roles[place] = "variable"
            else:
                roles[place] = "builtin" if node.id in _BUILTINS else "name"
        elif isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
            # Its place is that of `def`, decorators not included.
            first_name(node, node.name, "class" if isinstance(node, ast.ClassDef) else "function")
        elif isinstance(node, ast.arg):
            roles[place_of(node.lineno, node.col_offset)] = "parameter"
        elif isinstance(node, ast.keyword) and node.arg is not None:
            roles[place_of(node.lineno, node.col_offset)] = "argument"
        elif isinstance(node, ast.Attribute) and node.end_lineno is not None and node.end_col_offset is not None:
            line, stop = place_of(node.end_lineno, node.end_col_offset)
            roles[(line, stop - len(node.attr))] = "attribute"
        elif isinstance(node, ast.Import | ast.ImportFrom) and node.end_lineno is not None:
            end = place_of(node.end_lineno, node.end_col_offset or 0)
            start = bisect.bisect_left(places, place_of(node.lineno, node.col_offset))
            for place in places[start : bisect.bisect_left(places, end)]:
                roles[place] = "import"
        elif isinstance(node, ast.MatchAs | ast.MatchStar) and node.name is not None:
            first_name(node, node.name, "variable")
        for child in ast.iter_child_nodes(node):
            visit(child)

    visit(tree)
    return roles
