"""Paraphrases: the same every time, other words, and nothing that is not asked for."""

import json
from pathlib import Path

import pytest

from heygen_hf.evaluation.robustness import PARAPHRASES, paraphrase, read_paraphrases

PROMPTS = ["a red 7 moves left", "A man walks slowly, while a dog runs.", "cat", "日本語の字幕", "a {brace} and 100 %"]


@pytest.mark.parametrize("kind", list(PARAPHRASES))
@pytest.mark.parametrize("prompt", PROMPTS)
def test_a_paraphrase_differs_and_is_the_same_every_time(kind: str, prompt: str) -> None:
    made = paraphrase(prompt, kind)
    assert made != prompt
    assert made == paraphrase(prompt, kind) == paraphrase(f"  {prompt} ", kind)
    assert made is None or made.strip()


@pytest.mark.parametrize("prompt", PROMPTS)
def test_what_is_left_as_it_was(prompt: str) -> None:
    casing = paraphrase(prompt, "casing")
    assert casing is None or casing.casefold() == prompt.casefold()
    letters = sorted(prompt)
    typo = paraphrase(prompt, "typo")
    assert typo is None or (sorted(typo) == letters and len(typo) == len(prompt))
    ordered = paraphrase(prompt, "word_order")
    assert ordered is None or sorted(ordered.replace(",", "").split()) == sorted(
        prompt.rstrip(".").replace(",", "").split()
    )
    framed = paraphrase(prompt, "template")
    assert framed is None or prompt.rstrip(".") in framed


def test_known_paraphrases() -> None:
    assert paraphrase("a red 7 moves left", "synonyms") == "a scarlet seven goes leftwards"
    assert paraphrase("A man walks slowly, while a dog runs.", "word_order") == "while a dog runs, A man walks slowly"
    assert paraphrase("purple", "synonyms") == "violet"
    assert paraphrase("Violet", "synonyms") == "Purple"
    assert paraphrase("", "template") is None
    assert paraphrase("xyz xyz", "synonyms") is None


def test_the_seed_chooses_among_several() -> None:
    assert len({paraphrase("a red 7 moves left", "template", seed=seed) for seed in range(40)}) == 5


def test_an_unknown_kind_is_refused() -> None:
    with pytest.raises(ValueError, match="no paraphrase 'rhyme'; known are casing"):
        paraphrase("a", "rhyme")


def test_a_file_of_paraphrases_is_read(tmp_path: Path) -> None:
    file = tmp_path / "said.jsonl"
    rows = [
        {"prompt": "a", "paraphrases": ["b", "c", "b", "a"]},
        {"prompt": "a", "paraphrases": ["d"]},
        {"prompt": "e", "paraphrases": []},
    ]
    file.write_text("\n".join(json.dumps(row) for row in rows) + "\n\n")
    assert read_paraphrases(file) == {"a": ["b", "c", "d"], "e": []}


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("", "holds no paraphrase"),
        ('{"prompt": "a", "paraphrases": []}', "holds no paraphrase"),
        ("nonsense", "line 1 is no"),
        ('{"prompt": "a", "paraphrases": ["b"]}\n["a"]', "line 2 is no"),
        ('{"prompt": "a", "paraphrases": [7]}', "line 1 is no"),
        ('{"prompt": "a", "paraphrases": [" "]}', "line 1 is no"),
    ],
)
def test_a_bad_file_is_refused_in_a_line(tmp_path: Path, text: str, said: str) -> None:
    file = tmp_path / "said.jsonl"
    file.write_text(text)
    with pytest.raises(ValueError, match=said) as caught:
        read_paraphrases(file)
    assert "\n" not in str(caught.value)
    with pytest.raises(ValueError, match="is no file"):
        read_paraphrases(tmp_path / "none.jsonl")


def test_line_separators_stay_in_paraphrases(tmp_path: Path) -> None:
    file = tmp_path / "said.jsonl"
    file.write_text('{"prompt": "a\u2028b", "paraphrases": ["c\x85d"]}\n', encoding="utf-8")
    assert read_paraphrases(file) == {"a\u2028b": ["c\x85d"]}
