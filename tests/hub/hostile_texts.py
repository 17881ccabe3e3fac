"""Texts that try to get out of the place where a card shows them: the same ones for the same seed."""

import random

FENCES = ["---", "\n---\n", "---\n", "\n---\nlicense: mit\n---\n", "...\n", "+++", "\r---\r", "\u2028---\u2028"]
YAML = [
    "a: b",
    "- x",
    "&a *a",
    "!!python/object/apply:os.system ['id']",
    "{a: [b}",
    "'",
    '"',
    "\nlicense: mit",
    "? x\n: y",
    "# c",
    "|",
    ">-",
    "%YAML 1.2",
    "null",
    "~",
    "1e3",
    "0x10",
    "2001-01-01",
    "yes",
    "<<: *a",
    "\nmodel-index:\n- name: evil",
    "@x",
    "`x",
    ": ",
    " #",
]
TEMPLATES = [
    "{{ 7 * 7 }}",
    "{% for x in y %}",
    "{% endblock %}",
    "{# gone #}",
    "{{ title }}",
    "{%- raw -%}",
    "${x}",
    "%(a)s",
    "{}",
    "{0.__class__}",
    "<%= 1 %>",
    "{{ self.__init__.__globals__ }}",
    "{% extends 'card.md' %}",
]
HTML = [
    "<script>alert(1)</script>",
    "<img src=x onerror=y>",
    "<!--",
    "-->",
    "</td></tr></table>",
    "<br>",
    "&lt;",
    "&#60;b&#62;",
    "<details>",
    "<http://a.b>",
    "<a@b.c>",
    "<?php",
    "<![CDATA[",
    "]]>",
    "<style>",
    "&nbsp;",
]
MARKDOWN = [
    "[x](http://a)",
    "![x](y.png)",
    "[x]: http://a",
    "[x][y]",
    "](z)",
    "[^1]",
    "[^1]: note",
    "**b**",
    "_e_",
    "~~s~~",
    "$f$",
    "$$",
    "\\(x\\)",
    "\\[x\\]",
    "\\\\(x\\\\)",
    "||spoiler||",
    "| a | b |",
    "|---|---|",
    "\n|a|b|\n|---|---|\n|c|d|\n",
    "# one",
    "\n## Licence\n\nmit\n",
    "## two ##",
    "===",
    "\n===\n",
    "***",
    "___",
    "* x",
    "+ x",
    "1. x",
    "1) x",
    "999999999. x",
    "> q",
    "    code",
    "\tcode",
    "- [ ] task",
    ":::note",
    ":smile:",
    "http://a.b/c",
    "HTTPS://A.B",
    "www.a.b",
    "WWW.a.b",
    "a@b.c",
    "mailto:a@b.c",
    "@someone",
    "#12",
    "\\",
    "\\\\",
    "\\|",
    "\\`",
    "end\\",
    "  \nhard",
    "–",
    "path/to/this/folder",
    "FOLDER",
]
CODE = ["```", "````", "\n```\n", "```python\nimport os\n```", "~~~", "\n~~~\n", "`", "``", "` `", "`" * 40]
HIDDEN = [
    "\x00",
    "\x07",
    "\x08",
    "\x1b[31m",
    "\r",
    "\n",
    "\r\n",
    "\n\n",
    "\t",
    "\x0b",
    "\x0c",
    "\x7f",
    "\x85",
    "\xa0",
    "\xad",
    "\u2028",
    "\u2029",
    "\u200b",
    "\u200d",
    "\ufeff",
    "\u202e",
    "\u202a",
    "\u2066",
    "\u2069",
    "\u200f",
    "\ud800",
    "\udfff",
    "\udc80",
    "\ufffe",
    "\uffff",
    "\U000e0041",
    "\U0010ffff",
    "\u0301" * 20,
    "\u3000",
]
WORDS = [
    "a red 7 moves left",
    "كلب يركض",
    "ילד רץ",
    "猫が走る",
    "naïve café",
    "🐈‍⬛",
    "clip.mp4",
    "true",
    "x" * 500,
    "word " * 90,
    "C:\\x",
    "50 %",
    "it's",
    '"q"',
    "12:30",
    "a/b",
    "-1.5",
    "…",
    "(1 characters)",
]
FAMILIES = [FENCES, YAML, TEMPLATES, HTML, MARKDOWN, CODE, HIDDEN, WORDS]
LONGEST = 100_000


def hostile_texts(count: int, *, seed: int) -> list[str]:
    """Pieces of every family put together; some of one piece, a few of 100 kB."""
    generator = random.Random(seed)
    return [_text(generator) or "\x00" for _ in range(count)]


def _text(generator: random.Random) -> str:
    kind = generator.random()
    if kind < 0.01:
        piece = _piece(generator)
        return (piece * (LONGEST // max(1, len(piece)) + 1))[:LONGEST]
    if kind < 0.06:  # anything at all
        return "".join(chr(generator.randrange(0x3000)) for _ in range(generator.randrange(40)))
    if kind < 0.1:
        return "".join(chr(generator.randrange(128)) for _ in range(generator.randrange(60)))
    pieces = [_piece(generator) for _ in range(generator.choice([1, 1, 2, 3, 4, 6]))]
    return generator.choice(["", " ", "\n", "\n\n", " | ", "\u2028", "\x00"]).join(pieces)


def _piece(generator: random.Random) -> str:
    return generator.choice(generator.choice(FAMILIES))
