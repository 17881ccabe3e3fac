"""Foreign text in a card: captions, names and recipes cannot change its structure or run as a template."""

import re
import unicodedata

# Backslash escapes for whatever can start inline markup or end a table cell. Captions never start a line, so
# characters that only matter there (digits with a dot, "+", "-", "=") stay readable.
_MARKUP = re.compile(r"([\\`*_{}\[\]<>#|~&$!])")
_BACKTICKS = re.compile(r"`+")


def one_line(text: str, *, max_characters: int = 300) -> str:
    """Text without control, format and line-separating characters, cut to a length with the cut said."""
    # The cut comes first, with room for what collapses: a 100 kB caption costs no more than a short one.
    head = text[: max_characters * 4]
    plain = "".join(" " if _breaks_lines(character) else character for character in head)
    plain = " ".join(plain.split())
    if len(plain) <= max_characters and len(head) == len(text):
        return plain
    return f"{plain[:max_characters].rstrip()}… ({len(text):,} characters)"


def escape_markdown(text: object, *, max_characters: int = 300) -> str:
    """One line of Markdown, or one table cell, that shows exactly this text."""
    return _MARKUP.sub(r"\\\1", one_line(str(text), max_characters=max_characters))


def code_block(text: str, language: str = "", *, max_characters: int = 20_000) -> str:
    """A fenced block that its content cannot close: the fence is longer than any run of backticks inside."""
    text = text.replace("\r\n", "\n")
    lines = "".join(c for c in text[:max_characters] if c in "\n\t" or not _breaks_lines(c)).strip("\n")
    if len(text) > max_characters:
        lines += f"\n# … cut here: {len(text):,} characters in all"
    fence = "`" * max(3, 1 + max(map(len, _BACKTICKS.findall(lines)), default=0))
    return f"{fence}{language}\n{lines}\n{fence}"


def _breaks_lines(character: str) -> bool:
    # Cc: control; Cf: invisible and direction-changing; Cs: half a character; Zl, Zp: line separators
    return unicodedata.category(character) in {"Cc", "Cf", "Cs", "Zl", "Zp"}
