"""Captions, names and recipes are other people's text: whatever they hold, the card keeps its structure."""

import pytest
import yaml
from huggingface_hub import ModelCard
from markdown_it import MarkdownIt

from heygen_hf.hub import MetricResult, SampleImage, render_card

HOSTILE = {
    "yaml": "x\n---\nlicense: mit\ntags: [evil]\n---\n# Evil",
    "yaml_inline": "a: b # c, {d: e} [f] & *g !h %i @j 'k \"l",
    "template": "{{ 7 * 7 }} {% for x in y %} {# gone #} {{ facts.recipe_yaml }}",
    "table": "a | b |\n|---|---|\n| c | d |",
    "backticks": "``` ` ```` \n```python\nimport os\n```\n~~~",
    "markup": "![x](http://a) [y](javascript:1) <script>alert(1)</script> <!-- *b* _c_ **d** ~~e~~ &lt; $f$",
    "headings": "# one\n## two\nthree\n===\n\n---\n- list\n> quote\n1. item",
    "control": "nul \x00 bell \x07 escape \x1b[31m return \r tabs \x0b\x0c separators \u2028\u2029\x85",
    "invisible": "right-to-left \u202e override, zero\u200bwidth, half \ud800 a pair",
    "long": "ha " * 34_000,
    "long_backticks": "`" * 100_000,
    "trailing_backslash": "ends with \\",
}


@pytest.fixture(params=HOSTILE.values(), ids=HOSTILE.keys())
def hostile(request):
    return request.param


def structure(card: str) -> list[str]:
    """The block structure of the body: every opened and closed block, without texts."""
    body = card.split("\n---\n", 1)[1]
    return [f"{token.type}:{token.tag}" for token in MarkdownIt("commonmark").enable("table").parse(body)]


def everywhere(change, text: str):
    return change(
        title=text,
        data_name=text,
        clips_per_split={text: 1, "validation": 2, "test": 3},
        skipped_reasons=[text],
        data_note=text,
        recipe_yaml=text,
        command=["heygen-hf", text],
        hardware={"cpu": text, "memory": "16 GiB"},
        versions={"torch": text, "transformers": "5.23.0"},
        metrics=[MetricResult(name=text, value=0.5, group=text, note=text, unit=text), *change().metrics[1:]],
        samples=[SampleImage(path="samples/strips.png", prompts=[text, "a blue 1 moves up"])],
        generation_defaults={text: text, "guidance_scale": 2.0},
        limits=text,
        licence=text,
    )


def test_structure_stays(change, hostile):
    harmless, attacked = render_card(everywhere(change, "harmless")), render_card(everywhere(change, hostile))
    assert structure(attacked) == structure(harmless)
    assert len(attacked) < len(harmless) + 150_000  # some 2 MB went in


def test_header_stays(change, hostile):
    card = render_card(everywhere(change, hostile))
    header = yaml.safe_load(card.split("\n---\n", 1)[0].removeprefix("---\n"))
    assert header["library_name"] == "diffusers"
    assert header["pipeline_tag"] == "text-to-video"
    assert header["tags"] == ["heygen_hf", "text-to-video"]
    assert list(header) == list(yaml.safe_load(render_card(change()).split("\n---\n", 1)[0][4:]))
    assert ModelCard(card).data.library_name == "diffusers"


def test_nothing_is_run_or_shown_as_markup(change, hostile):
    card = render_card(everywhere(change, hostile))
    assert "{{ 7 * 7 }}" in card or "49" not in card
    for token in MarkdownIt("commonmark").enable("table").parse(card.split("\n---\n", 1)[1]):
        assert token.type != "html_block"
        for child in token.children or []:
            assert child.type not in {"html_inline", "link_open", "em_open", "strong_open"}
            if child.type == "image":
                assert child.attrs["src"] == "samples/strips.png"
    assert not any(ord(c) < 32 and c != "\n" for c in card)
    card.encode("utf-8")


def test_ordinary_captions_are_shown_as_they_are(change):
    prompt = "Zwei Kinder: „Käse“ – 2.5 m, it's 10-20 % (approx.) 猫が走る 🐈"
    card = render_card(change(samples=[SampleImage(path="samples/strips.png", prompts=[prompt])]))
    assert f"1. {prompt}\n" in card


def test_cut_captions_say_so(change):
    card = render_card(change(samples=[SampleImage(path="samples/strips.png", prompts=["ha " * 34_000])]))
    assert "ha… (102,000 characters)" in card


def test_recipe_with_fences_stays_whole(change):
    recipe = "a: |\n  ```\n  ````\nb: 1\n"
    card = render_card(change(recipe_yaml=recipe))
    assert f"`````yaml\n{recipe}`````\n" in card
