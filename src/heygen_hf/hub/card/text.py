"""Foreign text in a card: captions, names and recipes cannot change its structure or run as a template."""

import re
import unicodedata

# Backslash escapes for whatever can start inline markup, a table cell's end, a link that renderers make by themselves
# (`://`, `www.`, `@name`, `a@b.c`) or mathematics (`\(`, as the Hub reads it).
_MARKUP = re.compile(r"([\\`*_{}\[\]<>#|~&$!]|(?<=\\)[()]|:(?=//)|(?<=[wW]{3})\.|(?<!\w)@(?=\w)|@(?=[\w.-]*\.\w))")
_ESCAPED = re.compile(r"\\([!-/:-@\[-`{-~])")
# What makes a list, a rule or an underlined heading of a line that begins with it.
_BULLET = re.compile(r"[-+=](?=[-+=\s]|$)")
_NUMBER = re.compile(r"^(\d{1,9})([.)])(?=\s|$)")
_BACKTICKS = re.compile(r"`+")
_CONTROL = re.compile(r"[\x00-\x1f\x7f]")


def visible(text: str) -> str:
    """Text without what cannot be seen; a space where a line would end."""
    if text.isascii():
        return _CONTROL.sub(" ", text)
    # Cf: invisible and direction-changing; Cs: half a character; Cc, Zl, Zp: control and line separators
    kept = []
    for character in text:
        category = unicodedata.category(character)
        if category in {"Cc", "Zl", "Zp"}:
            kept.append(" ")
        elif category not in {"Cf", "Cs"}:
            kept.append(character)
    return "".join(kept)


def beginning(text: str, max_characters: int) -> str:
    """As much of a text as is needed to show so many characters: of 100 kB no more is looked at than of a line.

    A word that is cut is left out, where there are others: of a token it would be a half that nobody recognises.
    """
    most = 4 * max_characters + 1000
    if len(text) <= most:
        return text
    head = text[:most]
    whole = re.match(r"(?s)(.*\S)?\s", head)
    return whole[0] if whole else head


def one_line(text: str, *, max_characters: int = 300, length: int | None = None) -> str:
    """Text without control, format and line-separating characters, cut to a length with the cut said.

    Args:
        length: of the text that this is the beginning of.
    """
    length = len(text) if length is None else length
    head = beginning(text, max_characters)
    plain = " ".join(visible(head).split())
    if len(plain) <= max_characters and length == len(head):
        return plain
    return f"{plain[:max_characters].rstrip()}… ({length:,} characters)"


def escape_markdown(text: object, *, max_characters: int = 300) -> str:
    """One line of Markdown, or one table cell, that shows exactly this text."""
    return escape_line(one_line(str(text), max_characters=max_characters))


def escape_line(line: str) -> str:
    """The same of what `one_line` gave."""
    escaped = _MARKUP.sub(r"\\\1", line)
    return f"\\{escaped}" if _BULLET.match(escaped) else _NUMBER.sub(r"\1\\\2", escaped, count=1)


def unescape_markdown(line: str) -> str:
    """The reverse of `escape_markdown`, for whoever looks for something in a card's text."""
    return _ESCAPED.sub(r"\1", line)


def code_block(text: str, language: str = "", *, max_characters: int = 20_000) -> str:
    """A fenced block that its content cannot close: the fence is longer than any run of backticks inside."""
    text = text.replace("\r\n", "\n")
    lines = "\n".join(_code_line(line) for line in text[:max_characters].split("\n")).strip("\n")
    if len(text) > max_characters:
        lines += f"\n# … cut here: {len(text):,} characters in all"
    fence = "`" * max(3, 1 + max(map(len, _BACKTICKS.findall(lines)), default=0))
    return f"{fence}{language}\n{lines}\n{fence}"


def python_literal(text: str) -> str:
    """The text as Python, between double quotes where it holds none."""
    written = repr(text)
    return f'"{written[1:-1]}"' if written[0] == "'" and '"' not in written else written


def _code_line(line: str) -> str:
    return "\t".join(visible(part) for part in line.split("\t"))
