"""The card of a data set says what was measured, shows captions as they are, and invents nothing."""

import json
import re
from pathlib import Path

import pytest
import yaml

HOSTILE = [
    "---\nlicense: stolen\n---",
    "{{ 7 * 7 }} {% for x in y %}",
    "| a | b |\n|---|---|",
    "# heading\n\n```python\nimport os\n```",
    "<script>alert(1)</script> [link](javascript:x) ![x](y.png)",
    "right\u202eto left \u2066x\u2069 \x00\x07\x1b[31m",
    "x" * 100_000,
    "'\"\\ !!python/object:os.system &a *a",
]


def header_of(text: str) -> dict:
    return yaml.safe_load(re.match(r"---\n(.*?)\n---\n", text, flags=re.DOTALL)[1])


def test_figures_header_and_what_is_unknown(collection: Path, write) -> None:
    written = write(collection)
    text = (written.path / "README.md").read_text()
    header = header_of(text)
    assert header["license"] == "unknown"
    assert header["size_categories"] == ["n<1K"]
    assert header["configs"][0]["data_files"] == [
        {"split": "train", "path": "train/**"},
        {"split": "validation", "path": "validation/**"},
    ]
    assert "Unknown: nobody has said under which licence" in text
    assert re.search(r"\| train \| 4 \| 3 \| 1\.5 s \| [\d.]+ kB \| 4 \| 8 \| 16 × 16 \| 0 \|", text)
    assert 'load_dataset("someone/clips")' in text
    figures = json.loads((written.path / "data_set.json").read_text())
    train = figures["splits"]["train"]
    assert (train["rows"], train["clips"], train["different_captions"]) == (4, 3, 4)
    assert train["bytes"] == sum((collection / "train" / f"{i}.mp4").stat().st_size for i in range(3))


def test_a_readme_is_taken_over(collection: Path, write) -> None:
    (collection / "README.md").write_text(
        "---\nlicense: cc-by-4.0\npretty_name: My clips\ntask_categories: [video-classification]\nconfigs: []\n"
        "size_categories: [1B]\n---\n\n# My clips\n\nFilmed {{ by }} me.\n"
    )
    text = (write(collection).path / "README.md").read_text()
    header = header_of(text)
    assert (header["license"], header["pretty_name"]) == ("cc-by-4.0", "My clips")
    assert header["task_categories"] == ["video-classification"]
    assert len(header["configs"]) == 1
    assert header["size_categories"] == ["n<1K"]
    assert "# My clips\n\nFilmed {{ by }} me.\n\n## What is in it" in text
    assert "license: mit" in (write(collection, card={"licence": "mit"}).path / "README.md").read_text()


def test_a_readme_or_licence_that_cannot_be(collection: Path, write) -> None:
    with pytest.raises(ValueError, match="licence 'my own' is no identifier"):
        write(collection, card={"licence": "my own"})
    (collection / "README.md").write_text("---\nlicense: [\n---\n")
    with pytest.raises(ValueError, match="header that is no YAML"):
        write(collection)


def test_hostile_captions_and_names_change_nothing(collection: Path, rows, write) -> None:
    plain = (write(collection).path / "README.md").read_text()
    texts = [{"file_name": f"{number % 3}.mp4", "text": text, "digit": 1} for number, text in enumerate(HOSTILE)]
    for start in (0, 4):
        rows(collection / "train", [*texts[start : start + 4], {"file_name": f"{HOSTILE[start]}.mp4", "text": "x"}])
        written = write(collection)
        text = (written.path / "README.md").read_text()
        assert header_of(text) == header_of(plain)
        assert [line for line in text.splitlines() if line.startswith("#")] == [
            line for line in plain.splitlines() if line.startswith("#")
        ]
        rows_of_examples = [line for line in text.splitlines() if line.startswith("| train |")]
        assert len(rows_of_examples) == 1 + 4 + 1  # figures, captions, the file that is not there
        assert all(len(re.findall(r"(?<!\\)\|", line)) == 3 for line in rows_of_examples[1:5])
        assert "<script>" not in text
        assert len(text) < 12_000
        assert not re.search(r"[\x00-\x08\x1b\u202e\u2066]", text)
        lines = (written.path / "train" / "metadata.jsonl").read_text(encoding="utf-8").split("\n")[:-1]
        captions = [json.loads(line)["text"] for line in lines]
        assert captions == [row["text"] for row in texts[start : start + 4]]  # quotations, to the letter
