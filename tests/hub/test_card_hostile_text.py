"""Captions, names and recipes are other people's text: whatever they hold, the card keeps its structure.

A card full of hostile texts is parsed and compared with the same card full of harmless ones: they may differ in
nothing but the texts themselves.
"""

import ast
import re
from dataclasses import dataclass
from functools import cache
from typing import Any

import pytest
import yaml
from card_of_texts import BLOCKS, NUM_TEXTS, card_of
from hostile_texts import hostile_texts
from huggingface_hub import ModelCard
from markdown_it import MarkdownIt
from markdown_it.token import Token

from heygen_hf.hub import render_card
from heygen_hf.hub.card.header import base_name, is_hub_name
from heygen_hf.hub.card.privacy import scrub_line

PARSER = MarkdownIt("commonmark").enable(["table", "strikethrough"])
_HARMLESS = re.compile(r"harmless[ /]?(\d{2})(?: and well)?")


@cache
def _shown(text: str, max_characters: int) -> str:
    return scrub_line(text, max_characters=max_characters)


@dataclass
class Shown:
    """What a card must show of the texts it was given."""

    texts: list[str]

    def in_place_of(self, harmless: str, *, max_characters: int = 300, empty: str = "unknown") -> str:
        """The harmless card's text with the hostile texts in it instead."""

        def shown(found: re.Match[str]) -> str:
            place = int(found[1])
            text = base_name(self.texts[place]) if place == 1 else self.texts[place]
            return _shown(text or "", max_characters) or empty

        return _HARMLESS.sub(shown, harmless)

    def forms(self, harmless: str) -> set[str]:
        """The same, cut at any of the lengths that a card cuts texts at."""
        if not _HARMLESS.search(harmless):
            return {" ".join(harmless.split())}
        forms = (
            self.in_place_of(harmless, max_characters=length, empty=empty)
            for length in (96, 100, 300, 600, 1000, 2000, 4000)
            for empty in ("unknown", "(empty)", "")
        )
        return {" ".join(form.split()) for form in forms}


def harmless_texts(texts: list[str]) -> list[str]:
    """One for each: of the same kind where the kind decides what the header has."""
    names = [f"harmless {place:02d} and well" for place in range(len(texts))]
    if is_hub_name(texts[1]):
        names[1] = "harmless/01"
    if re.fullmatch(r"[a-z0-9][a-z0-9.+-]{0,63}", scrub_line(texts[2]) or "unknown"):
        names[2] = "harmless02"
    for place in BLOCKS:  # nothing to see: no block
        if not scrub_line(texts[place]):
            names[place] = ""
    return names


def body_of(card: str) -> str:
    return card.split("\n---\n", 1)[1]


def blocks(card: str) -> list[tuple[Any, ...]]:
    """The body as parsed: every block and every inline element with its attributes, and texts."""
    found: list[tuple[Any, ...]] = []
    for token in PARSER.parse(body_of(card)):
        inline = _inline(token.children or []) if token.type == "inline" else ()
        content = token.content if token.type in ("fence", "code_block", "html_block") else ""
        found.append((token.type, token.tag, token.level, token.info, tuple(token.attrs.items()), inline, content))
    return found


def _inline(children: list[Token]) -> tuple[tuple[Any, ...], ...]:
    parts: list[tuple[Any, ...]] = []
    for child in children:
        is_text = child.type in ("text", "text_special")
        if is_text and parts and parts[-1][0] == "text":
            parts[-1] = ("text", parts[-1][1] + child.content)
        elif is_text:
            parts.append(("text", child.content))
        else:
            parts.append((child.type, child.tag, tuple(child.attrs.items()), child.content))
    return tuple(parts)


def same_python(one: str, other: str) -> bool:
    """Whether two programs differ in the texts in them alone."""

    def without_texts(program: str) -> str:
        tree = ast.parse(program)
        for node in ast.walk(tree):
            if isinstance(node, ast.Constant) and isinstance(node.value, str):
                node.value = ""
        return ast.dump(tree)

    return without_texts(one) == without_texts(other)


def assert_not_altered(texts: list[str]) -> None:
    assert len(texts) == NUM_TEXTS
    names = harmless_texts(texts)
    hostile, harmless = (render_card(card_of(iter(given).__next__)) for given in (texts, names))
    shown = Shown(texts)
    hostile.encode("utf-8")
    assert not any(ord(c) < 32 and c not in "\n\t" for c in hostile)

    # 1. The header: the same keys and values, but for the texts.
    data = yaml.safe_load(hostile.split("\n---\n", 1)[0].removeprefix("---\n"))
    expected = yaml.safe_load(harmless.split("\n---\n", 1)[0].removeprefix("---\n"))
    ModelCard(hostile, ignore_metadata_errors=False)
    _assert_same_header(data, expected, shown)

    # 2. The body: the same blocks, links, images and tables, but for the texts.
    found, wanted = blocks(hostile), blocks(harmless)
    assert [block[:5] for block in found] == [block[:5] for block in wanted]
    for block, model in zip(found, wanted, strict=True):
        if block[0] == "fence":
            assert "harmless" not in block[6]
            assert block[3] != "python" or same_python(block[6], model[6])
            continue
        assert len(block[5]) == len(model[5])
        for part, reference in zip(block[5], model[5], strict=True):
            if part[0] == "text":
                assert " ".join(part[1].split()) in shown.forms(reference[1])
            else:
                assert part == reference
    # 3. Nothing that renderers make a link of by themselves.
    for token in PARSER.parse(body_of(hostile)):
        if token.type == "inline":
            assert not re.search(r"(?i)(?<!\\)://|www\.|(?<![\w\\])@\w|(?<!\\)@[\w-]+\.\w", token.content)


def _assert_same_header(found: Any, wanted: Any, shown: Shown) -> None:
    if isinstance(wanted, dict):
        assert [type(value) for value in found.values()] == [type(value) for value in wanted.values()]
        for (key, value), (name, reference) in zip(found.items(), wanted.items(), strict=True):
            assert key == shown.in_place_of(name)
            _assert_same_header(value, reference, shown)
    elif isinstance(wanted, list):
        assert len(found) == len(wanted)
        for value, reference in zip(found, wanted, strict=True):
            _assert_same_header(value, reference, shown)
    elif isinstance(wanted, str):
        assert " ".join(found.split()) in shown.forms(wanted)
    elif not isinstance(wanted, str):
        assert found == wanted


def cards_of(num_texts: int, *, seed: int) -> list[list[str]]:
    """Texts enough for so many, a card's worth each."""
    texts = hostile_texts(-(-num_texts // NUM_TEXTS) * NUM_TEXTS, seed=seed)
    return [texts[start : start + NUM_TEXTS] for start in range(0, len(texts), NUM_TEXTS)]


def test_a_thousand_hostile_texts_alter_no_card():
    for texts in cards_of(1000, seed=0):
        assert_not_altered(texts)


@pytest.mark.slow
def test_ten_thousand_hostile_texts_alter_no_card():
    for texts in cards_of(10_000, seed=1):
        assert_not_altered(texts)


def test_the_comparison_sees_a_card_that_was_altered(monkeypatch):
    monkeypatch.setattr("heygen_hf.hub.card.rows.escape_line", str)
    with pytest.raises(AssertionError):
        assert_not_altered(cards_of(1, seed=0)[0])
