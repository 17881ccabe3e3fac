"""Text classification from a recipe: class folders and tables, bad labels refused, docstrings by module."""

import inspect
import json
import statistics
from pathlib import Path

import pytest
import torch
from datasets import Dataset
from transformers import AutoModelForSequenceClassification, AutoTokenizer

from heygen_hf.tasks import run_recipe
from heygen_hf.tasks.recipe import load_recipe
from heygen_hf.tasks.text.classification import build, evaluate
from heygen_hf.tasks.text.labelled_texts import docstrings_by_module
from heygen_hf.tasks.text.text_figures import tfidf_baseline
from heygen_hf.tasks.text.text_views import TextViews

RECIPE = Path(__file__).parents[3] / "recipes" / "text" / "classification.yaml"
TINY = [
    "model.hidden_size=32",
    "model.num_hidden_layers=1",
    "model.num_attention_heads=2",
    "model.hidden_dropout=0",
    "data.vocab_size_limit=400",
    "data.validation_share=0.15",
    "data.repeated=exact",
    "training.max_steps=150",
    "training.warmup_steps=5",
    "training.per_device_train_batch_size=16",
    "training.learning_rate=1e-2",
    "training.muon_learning_rate=2e-2",
    "training.precision=fp32",
    "training.eval_steps=150",
    "training.save_steps=150",
    "training.disable_tqdm=true",
]
ANIMALS = ("cat", "dog", "horse", "fish", "bird", "cow")


def sentences() -> dict[str, list[str]]:
    """Who is first decides the class: pairs of words tell, and words alone do not."""
    pairs = [(one, other) for one in ANIMALS[:3] for other in ANIMALS[3:]]
    found: dict[str, list[str]] = {"land": [], "other": []}
    for number, (one, other) in enumerate(pairs * 6):
        letters = "".join(chr(103 + int(digit)) for digit in str(number))
        found["land"].append(f"{one} sees {other} {letters}")
        found["other"].append(f"{other} sees {one} {letters}")
    return found


@pytest.fixture(scope="module")
def run_of_folders(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("folders")
    for label, texts in sentences().items():
        for number, text in enumerate(texts):
            split = "test" if number % 3 == 0 else "train"
            (folder / "data" / split / label).mkdir(parents=True, exist_ok=True)
            (folder / "data" / split / label / f"{number}.txt").write_text(text)
    run_recipe(
        RECIPE,
        [
            *TINY,
            f"data.train={folder / 'data'}",
            "data.crop_share=0",
            "data.token_dropout=0",
            f"output_dir={folder / 'run'}",
        ],
    )
    return folder / "run"


def test_class_folders_are_learned_and_measured_beside_baselines(run_of_folders: Path) -> None:
    figures = {
        (figure["name"], figure.get("group")): figure
        for figure in json.loads((run_of_folders / "metrics.json").read_text())["figures"]
    }
    ours = figures["accuracy", None]
    assert ours["count"] == 36
    assert ours["value"] > 0.8
    majority = next(figure for (_, group), figure in figures.items() if group and "always" in group)
    assert majority["value"] == 0.5
    bag = figures["accuracy", "baseline: TF-IDF and logistic regression"]
    assert bag["value"] > 0.9  # it may read pairs of words
    assert "by the model alone" in bag["note"]
    assert "text-classification" in (run_of_folders / "README.md").read_text()


def test_the_run_is_loaded_and_measured_again(run_of_folders: Path) -> None:
    before = json.loads((run_of_folders / "metrics.json").read_text())["figures"]
    assert json.loads(json.dumps(evaluate(run_of_folders)["figures"])) == before
    model = AutoModelForSequenceClassification.from_pretrained(run_of_folders).eval()
    tokenizer = AutoTokenizer.from_pretrained(run_of_folders)
    encoded = tokenizer(["dog sees bird mm", "bird sees dog mm"], return_tensors="pt", padding=True)
    with torch.no_grad():
        best = model(**encoded).logits.argmax(-1).tolist()
    assert [model.config.id2label[number] for number in best] == ["land", "other"]


def built(tmp_path: Path, labels: list, *more: str, test: list | None = None):
    values = [*TINY, "data.most_classes=null", "data.test_share=0.2"]
    for name, column in (("train", labels), ("test", test)):
        if column is not None:
            rows = [
                {
                    "text": " ".join(f"{chr(97 + number % 26)}{chr(97 + number // 26)}{word}" for word in "pqrst"),
                    "label": label,
                }
                for number, label in enumerate(column, start=200 if name == "test" else 0)
            ]
            path = (
                tmp_path / f"{name}.csv"
                if all(isinstance(label, str) for label in column)
                else tmp_path / f"{name}.jsonl"
            )
            dataset = Dataset.from_list(rows)
            dataset.to_csv(path) if path.suffix == ".csv" else dataset.to_json(path)
            values.append(f"data.{name}={path}")
    return build(load_recipe(RECIPE, [*values, *more]), exported=None, is_main=False)


def test_labels_that_cannot_be(tmp_path: Path) -> None:
    names = ["x", "y"] * 20
    with pytest.raises(ValueError, match=r"label 3 of the test split is 'z'.*data.class_names"):
        built(tmp_path, names, test=["x", "y", "x", "z"])
    with pytest.raises(ValueError, match=r"is 2 in 'label'; expected \[0, 2\)"):
        built(tmp_path, [0, 1, 2, 1] * 10, "data.class_names=[x, y]")
    with pytest.raises(ValueError, match="all training labels of 'label' are 'x'"):
        built(tmp_path, ["x"] * 40)
    with pytest.raises(ValueError, match="training labels of 'label' are -100"):
        built(tmp_path, [-100] * 40)
    with pytest.raises(ValueError, match=r"is 0.5 in 'label'"):
        built(tmp_path, [0.5, 1.5] * 20)
    with pytest.raises(
        ValueError, match=r"data.label_column is 'kind', and the train split has the columns text, label"
    ):
        built(tmp_path, names, "data.label_column=kind")
    with pytest.raises(ValueError, match=r"model.vocab_size is 100 tokens"):
        built(tmp_path, names, "model.vocab_size=100")
    with pytest.raises(ValueError, match="names 'x' twice"):
        built(tmp_path, names, "data.class_names=[x, y, x]")


def test_the_most_frequent_classes_of_a_table(tmp_path: Path) -> None:
    labels = ["x", "x", "y", "y", "z"] * 16
    parts = built(tmp_path, labels, "data.most_classes=2")
    assert parts.build_model().config.id2label == {0: "x", 1: "y"}
    assert parts.reports["train"]["num_of_rarer_classes"] > 0
    assert len(parts.train_dataset) == parts.reports["train"]["num_used"]
    batch = parts.collate([parts.train_dataset[0], parts.train_dataset[1]])
    assert batch["labels"].tolist() == [0, 0]


def test_ignored_labels_are_not_trained_on(tmp_path: Path) -> None:
    parts = built(tmp_path, [0, 1, -100, 1] * 12)
    assert set(parts.train_dataset.labels) == {0, 1}
    model = parts.build_model().eval()
    (accuracy, *_) = parts.measure(model)
    assert accuracy.count < parts.reports["test"]["num_used"]


def test_near_copies_stay_and_what_is_left_out_or_cut_is_said(tmp_path: Path, capsys) -> None:
    texts = [f"order {number} came late and I want my money back at once" for number in range(30)]
    texts += ["🙂", texts[0], *(f"fine {number}" for number in "abcdefgh")]
    rows = [json.dumps({"text": text, "label": number % 2}) for number, text in enumerate(texts)]
    (tmp_path / "rows.jsonl").write_text("\n".join(rows))
    values = [value for value in TINY if "repeated" not in value] + ["data.most_classes=null"]
    values += [f"data.train={tmp_path / 'rows.jsonl'}", f"data.test={tmp_path / 'rows.jsonl'}", "data.repeated=keep"]
    kept = build(load_recipe(RECIPE, [*values, "data.max_length_in_evaluation=8"]), exported=None, is_main=True)
    assert kept.reports["test"]["num_cut"] == 31
    assert "test: of 31 texts the end is cut off" in capsys.readouterr().out
    report = build(load_recipe(RECIPE, [*values[:-2]]), exported=None, is_main=True).reports["train"]
    assert (report["num_repeated"], report["num_without_words"]) == (1, 1)
    assert report["num_used"] + report["num_set_apart"] == 38
    said = "train: of 40 documents are left out: 1 repeat others, 1 have no word"
    assert said in capsys.readouterr().out


def test_the_baseline_reads_texts_without_words() -> None:
    texts = ["a 🙂", "b !", "🙂", "!"] * 3
    assert tfidf_baseline((texts, [0, 1] * 6), (texts[:2], [0, 1]), ["🙂 🙂", "!!"]) == [0, 1]


@pytest.mark.slow
def test_docstrings_by_module() -> None:
    labelled = docstrings_by_module()
    by_text = dict(zip(labelled["text"], labelled["label"], strict=True))
    known = [by_text.get(inspect.getdoc(getattr(statistics, name))) for name in statistics.__all__]
    assert known.count("statistics") > 5
    assert set(known) <= {"statistics", None}  # what repeats another docstring is left out
    assert "pydoc_data" not in labelled["label"]
    assert len(labelled) > 4000


def test_views_of_a_text() -> None:
    body = list(range(10, 110))
    views = TextViews([body, [7]], [0, 1], before=[1], after=[2], max_length=32, crop_share=0.5, token_dropout=0.2)
    first = [views[0]["input_ids"] for _ in range(2)]
    assert first[0] == first[1]
    seen = set()
    for epoch in range(20):
        views.set_epoch(epoch)
        ids = views[0]["input_ids"]
        assert (ids[0], ids[-1]) == (1, 2)
        inside = ids[1:-1]
        assert len(ids) <= 32
        assert inside == sorted(inside)
        assert inside[-1] - inside[0] < 30  # one part of the text
        seen.add(tuple(inside))
        assert views[1]["input_ids"] == [1, 7, 2]
    assert len(seen) == 20
    plain = TextViews([body[:20]], [0], max_length=32)
    assert plain[0]["input_ids"] == body[:20]
    with pytest.raises(ValueError, match="max_length is 2 and 2 tokens"):
        TextViews([body], [0], before=[1], after=[2], max_length=2)


def test_the_baseline_learns_words() -> None:
    texts, labels = ["red cat", "red dog", "blue cow", "blue hen"] * 3, [0, 0, 1, 1] * 3
    assert tfidf_baseline((texts, labels), (texts, labels), ["red owl", "blue owl", "?!"])[:2] == [0, 1]
