import evaluate
import pytest

from heygen_hf.evaluation import attribute_accuracy, metric_path, wilson_interval

REFERENCES = {
    "colour": ["red", "red", "blue", "blue", "green"],
    "digit": [7, 1, 7, 1, 7],
}
PREDICTIONS = {
    "colour": ["red", "blue", "blue", "blue", "green"],
    "digit": ["7", "1", "1", "1", "2"],
}
GROUPS = ["seen", "seen", "unseen", "unseen", "unseen"]


def test_counts_by_hand():
    result = attribute_accuracy(PREDICTIONS, REFERENCES, GROUPS)
    colour, digit = result["columns"]["colour"], result["columns"]["digit"]
    assert (colour["correct"], colour["count"], colour["accuracy"]) == (4, 5, 0.8)
    assert (digit["correct"], digit["count"], digit["accuracy"]) == (3, 5, 0.6)
    assert result["all_columns_correct"]["correct"] == 2  # the first and the fourth video
    assert colour["interval"] == list(wilson_interval(4, 5))
    assert colour["worst_value"]["value"] == "red"
    assert (digit["worst_value"]["value"], digit["worst_value"]["accuracy"]) == ("7", pytest.approx(1 / 3))


def test_groups_are_measured_apart():
    groups = attribute_accuracy(PREDICTIONS, REFERENCES, GROUPS)["groups"]
    assert list(groups) == ["seen", "unseen"]
    assert groups["seen"]["columns"]["colour"]["accuracy"] == 0.5
    assert groups["unseen"]["columns"]["colour"]["accuracy"] == 1.0
    assert groups["seen"]["all_columns_correct"]["count"] == 2
    assert groups["unseen"]["columns"]["digit"]["worst_value"]["value"] == "7"
    assert attribute_accuracy(PREDICTIONS, REFERENCES)["groups"] == {}


def test_no_videos_is_no_accuracy():
    result = attribute_accuracy({"colour": []}, {"colour": []})
    assert result["columns"]["colour"] == {
        "accuracy": None,
        "correct": 0,
        "count": 0,
        "interval": [0.0, 1.0],
        "worst_value": None,
    }


def test_worst_value_does_not_depend_on_order():
    references = ["a", "b", "b", "c", "c"]
    predictions = ["a", "x", "b", "x", "c"]
    forward = attribute_accuracy({"k": predictions}, {"k": references})
    backward = attribute_accuracy({"k": predictions[::-1]}, {"k": references[::-1]})
    assert forward == backward
    assert forward["columns"]["k"]["worst_value"]["value"] == "b"


def test_columns_must_agree():
    with pytest.raises(ValueError, match=r"predictions have the columns \['a'\] and references \['b'\]"):
        attribute_accuracy({"a": []}, {"b": []})
    with pytest.raises(ValueError, match="one at least"):
        attribute_accuracy({}, {})


@pytest.mark.parametrize(
    ("predictions", "groups"), [({"a": ["1"]}, None), ({"a": ["1", "2"]}, ["seen"])], ids=["short", "groups"]
)
def test_lengths_must_agree(predictions, groups):
    with pytest.raises(ValueError, match="lengths differ"):
        attribute_accuracy(predictions, {"a": ["1", "2"]}, groups)


def test_evaluate_loads_the_module_and_agrees(tmp_path):
    metric = evaluate.load(metric_path("attribute_accuracy"), experiment_id=tmp_path.name, cache_dir=str(tmp_path))
    columns = list(REFERENCES)
    result = metric.compute(
        predictions=[list(map(str, row)) for row in zip(*PREDICTIONS.values(), strict=True)],
        references=[list(map(str, row)) for row in zip(*REFERENCES.values(), strict=True)],
        columns=columns,
        groups=GROUPS,
    )
    assert result == attribute_accuracy(PREDICTIONS, REFERENCES, GROUPS)
    with pytest.raises(ValueError, match="2 values for the 1 columns"):
        metric.compute(predictions=[["red", "7"]], references=[["red", "7"]], columns=["colour"])
