"""The part that each word of a Python file plays, from `tokenize` and the syntax tree.

A word is a token of the file. What strings, numbers and comments are, the word itself says; whether `open` is a
builtin, a method, an argument's name or a function being defined, only what stands around it says.
"""

import ast
import io
import keyword
import tokenize
from collections.abc import Iterator
from typing import NamedTuple

from heygen_hf.data.python_text.name_roles import Place, roles_of_names

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
_SOFT_KEYWORDS = frozenset({"match", "case", "type"})


class SourceWords(NamedTuple):
    """Neighbouring statements.

    Attributes:
        words: the tokens, long ones cut to `LONGEST_WORD` characters.
        labels: for each of them, one of `SOURCE_LABELS`.
    """

    words: list[str]
    labels: list[str]


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
    roles = roles_of_names(tree, lines, [token for token in tokens if token.type == tokenize.NAME])
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
