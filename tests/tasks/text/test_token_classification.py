"""Token classification from a recipe: a user's own rows, bad ones refused, and Python source."""

import json
from pathlib import Path

import pytest
import torch
from transformers import AutoModelForTokenClassification, AutoTokenizer

from heygen_hf.data.text.byte_pairs import build_byte_pair_tokenizer
from heygen_hf.tasks import run_recipe
from heygen_hf.tasks.recipe import load_recipe
from heygen_hf.tasks.text.row_lengths import cut_rows
from heygen_hf.tasks.text.token_classification import build, evaluate
from heygen_hf.tasks.text.token_figures import measure_token_classifier, predict_labels
from heygen_hf.tasks.text.word_baseline import MostFrequentLabel

RECIPE = Path(__file__).parents[3] / "recipes" / "text" / "token_classification.yaml"
TINY = [
    "model.hidden_size=32",
    "model.num_hidden_layers=1",
    "model.num_attention_heads=2",
    "data.vocab_size_limit=400",
    "training.max_steps=60",
    "training.warmup_steps=5",
    "training.per_device_train_batch_size=16",
    "training.learning_rate=1e-2",
    "training.muon_learning_rate=2e-2",
    "training.precision=fp32",
    "training.eval_steps=60",
    "training.save_steps=60",
    "training.disable_tqdm=true",
]


def rows_of_people(number: int = 120) -> list[dict]:
    """`ann` is a person after `says` and a place after `in`: only the word before tells."""
    draw = torch.Generator().manual_seed(0)
    rows = []
    for row in range(number):
        pick = torch.randint(0, 4, (4,), generator=draw).tolist()
        names = ["ann", "lee", "kim", "ray"]
        words = ["says", names[pick[0]], names[pick[1]], "in", names[pick[2]], ",", str(row)]
        labels = ["O", "B-person", "I-person", "O", "B-place", "O", "O"]
        rows.append({"words": words[: 5 + pick[3] % 3], "labels": labels[: 5 + pick[3] % 3]})
    return rows


def write(path: Path, rows: list[dict]) -> Path:
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    return path


@pytest.fixture(scope="module")
def run_of_people(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("people")
    rows = rows_of_people()
    values = [
        f"data.train={write(folder / 'train.jsonl', rows[:90])}",
        f"data.test={write(folder / 't.jsonl', rows[90:])}",
    ]
    values += [*TINY, "data.validation_share=0.2", f"output_dir={folder / 'run'}"]
    run_recipe(RECIPE, values)
    return folder / "run"


def test_entities_are_learned_from_a_file_of_rows(run_of_people: Path) -> None:
    figures = {
        (figure["name"], figure.get("group")): figure
        for figure in json.loads((run_of_people / "metrics.json").read_text())["figures"]
    }
    entities = figures["F1 of entities", None]
    assert entities["value"] > 0.9
    assert entities["count"] == 60  # a person and a place in each of 30 rows
    assert entities["interval"][0] <= entities["value"] <= entities["interval"][1]
    assert figures["F1: place", None]["value"] > 0.9
    # Without what stands before, no name is one or the other.
    assert figures["F1 of entities", "baseline: the word's most frequent label"]["value"] < 0.7
    card = (run_of_people / "README.md").read_text()
    assert "token-classification" in card


def test_the_run_is_loaded_and_measured_again(run_of_people: Path) -> None:
    before = json.loads((run_of_people / "metrics.json").read_text())
    assert json.loads(json.dumps(evaluate(run_of_people)["figures"])) == before["figures"]
    model = AutoModelForTokenClassification.from_pretrained(run_of_people)
    tokenizer = AutoTokenizer.from_pretrained(run_of_people)
    assert model.config.id2label == {0: "B-person", 1: "B-place", 2: "I-person", 3: "O"}
    encoded = tokenizer(["says", "ann", "ray", "in", "ann"], is_split_into_words=True, return_tensors="pt")
    with torch.no_grad():
        best = model(**encoded).logits[0].argmax(-1).tolist()
    first = {}
    for place, word in enumerate(encoded.word_ids()):
        if word is not None:
            first.setdefault(word, model.config.id2label[best[place]])
    assert list(first.values()) == ["O", "B-person", "I-person", "O", "B-place"]


def built(tmp_path: Path, rows: list[dict], *more: str, test: list[dict] | None = None):
    shares = ["data.validation_share=0.2", "data.test_share=0.2"]
    values = [*TINY, *shares, f"data.train={write(tmp_path / 'train.jsonl', rows)}", *more]
    if test is not None:
        values.append(f"data.test={write(tmp_path / 'test.jsonl', test)}")
    return build(load_recipe(RECIPE, values), exported=None, is_main=False)


WORDS = ["a", "b", "c"]


def unlike(number: int, count: int) -> list[str]:
    """Words that no other number has: rows that are alike are not set apart."""
    letters = "".join(chr(97 + int(digit)) for digit in str(number))
    return [f"{letters}{chr(112 + place)}" for place in range(count)]


@pytest.mark.parametrize(
    ("row", "message"),
    [
        ({"words": WORDS, "labels": ["x", "y"]}, "row 20 of the train split has 3 words and 2 labels"),
        ({"words": WORDS, "labels": ["x", None, "y"]}, "is None in 'labels'"),
        ({"words": "a b c", "labels": ["x", "y", "z"]}, "(expected a list of words|cannot be read)"),
    ],
)
def test_rows_that_cannot_be(tmp_path: Path, row: dict, message: str) -> None:
    rows = [{"words": unlike(number, 4), "labels": ["x", "y", "x", "y"]} for number in range(20)]
    with pytest.raises(ValueError, match=message):
        built(tmp_path, [*rows, row])


def test_labels_that_cannot_be(tmp_path: Path) -> None:
    def rows(labels: list) -> list[dict]:
        return [{"words": unlike(number, 3), "labels": labels} for number in range(40)]

    with pytest.raises(ValueError, match=r"label 0 of the test split is 'z'.*data.class_names"):
        built(tmp_path, rows(["x", "y", "x"]), test=rows(["z", "y", "x"]))
    with pytest.raises(ValueError, match=r"is 2 in 'labels'; expected \[0, 2\)"):
        built(tmp_path, rows([0, 1, 2]), "data.class_names=[x, y]")
    with pytest.raises(ValueError, match="is -1 in 'labels'"):
        built(tmp_path, rows([0, 1, -1]))
    with pytest.raises(ValueError, match="at least two classes"):
        built(tmp_path, rows(["x", "x", "x"]))
    with pytest.raises(ValueError, match=r"all .* training labels of 'labels' are -100"):
        built(tmp_path, rows([-100, -100, -100]))
    with pytest.raises(ValueError, match="different kinds"):
        built(tmp_path, rows(["x", "y", "x"]), test=rows([0, 1, 0]))
    with pytest.raises(ValueError, match=r"data.labels_column is 'tags'"):
        built(tmp_path, rows(["x", "y", "x"]), "data.labels_column=tags")
    with pytest.raises(ValueError, match=r"model.vocab_size is 100 tokens"):
        built(tmp_path, rows(["x", "y", "x"]), "model.vocab_size=100")


def test_a_word_without_tokens_is_refused_before_the_training(tmp_path: Path) -> None:
    rows = [{"words": unlike(number, 3), "labels": ["x", "y", "x"]} for number in range(40)]
    rows[7]["words"][1] = ""
    with pytest.raises(ValueError, match=r"makes no token of '', word 1 of a row of the \w+ split"):
        built(tmp_path, rows)


def test_rows_without_words_and_cut_words_are_counted(tmp_path: Path) -> None:
    rows = [{"words": unlike(number, 4), "labels": ["x", "y", "x", "y"]} for number in range(40)]
    rows.insert(3, {"words": [], "labels": []})
    report = built(tmp_path, rows, "data.max_length=4").reports["train"]
    assert report["num_without_words"] == 1
    assert report["skipped"] == [{"file_name": "row 3", "reason": "no words"}]
    assert report["num_rows"] == report["num_used"] + 1
    assert report["num_words"] > report["num_words_cut"] >= report["num_rows_cut"] > 0
    cut, counts = cut_rows(
        [{"words": ["a", "bb", "c"], "labels": [0, 1, 2]}],
        build_byte_pair_tokenizer([], vocab_size_limit=259),
        max_length=4,  # a start, and a byte a token
        split="test",
    )
    assert cut == [{"words": ["a", "bb"], "labels": [0, 1]}]
    assert counts == {"num_rows_cut": 1, "num_words_cut": 1}


def test_numbers_with_names_and_groups(tmp_path: Path) -> None:
    rows = [
        {"words": unlike(number, 2), "labels": [0, -100 if number % 2 else 1], "doc": f"d{number // 4}"}
        for number in range(80)
    ]
    parts = built(
        tmp_path,
        rows,
        "data.class_names=[word, number]",
        "data.group_column=doc",
        "data.validation_share=0.3",
        "data.test_share=0.3",
    )
    groups = {split: report["num_groups"] for split, report in parts.reports.items()}
    assert sum(groups.values()) == 20
    assert len({row["group"] for row in parts.train_dataset} & {row["group"] for row in parts.eval_dataset}) == 0
    assert parts.build_model().config.id2label == {0: "word", 1: "number"}
    batch = parts.collate([{"words": ["w1", "1"], "labels": [0, -100]}])
    assert (batch["labels"] >= 0).sum() == 1


def test_python_source_is_prepared(tmp_path: Path) -> None:
    recipe = load_recipe(RECIPE, [*TINY, "data.max_files=16", "data.test_share=0.3", "data.validation_share=0.2"])
    parts = build(recipe, exported=None, is_main=False)
    sides = [{row["group"] for row in rows} for rows in (parts.train_dataset, parts.eval_dataset)]
    assert sides[0]
    assert sides[1]
    assert not sides[0] & sides[1]
    assert "held out" in parts.data_note
    assert all(row.keys() == {"file_name", "reason"} for row in parts.reports["train"]["skipped"])
    # A row is never cut off in evaluation, so that every word has a prediction.
    model = parts.build_model().eval()
    rows = parts.eval_dataset[:3]
    predicted = predict_labels(model, rows, collate=parts.eval_collate, batch_size=2)
    assert [len(labels) for labels in predicted] == [len(row["words"]) for row in rows]
    figures = measure_token_classifier(model, rows, collate=parts.eval_collate, class_names=recipe_names(model))
    assert figures[0].count == sum(len(row["words"]) for row in rows)


def recipe_names(model) -> list[str]:
    return [model.config.id2label[number] for number in range(model.config.num_labels)]


def test_the_baseline_knows_words_and_how_others_begin() -> None:
    baseline = MostFrequentLabel(["if", "x", "x", "x", "12", "Foo", "skip"], [0, 1, 2, 1, 3, 4, -100])
    assert [baseline(word) for word in ("if", "x", "12", "7", "Bar")] == [0, 1, 3, 3, 4]
    assert baseline("?") == 1
