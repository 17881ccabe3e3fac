"""The card says what was measured, says what is unknown, and is a valid card for the Hub."""

import pytest
import yaml
from huggingface_hub import ModelCard, ModelCardData

from heygen_hf.hub import CardFacts, MetricResult, SampleImage, attribute_metrics, render_card, write_card


def header(card: str) -> dict:
    return yaml.safe_load(card.split("---\n")[1])


def test_header_is_what_the_hub_expects(facts):
    card = ModelCard(render_card(facts))
    assert card.data.library_name == "diffusers"
    assert card.data.pipeline_tag == "text-to-video"
    assert card.data.license == "apache-2.0"
    assert {"heygen_hf", "text-to-video"} <= set(card.data.tags)
    assert card.data.model_name == "moving_digits"


def test_model_index_holds_the_measured_figures_and_no_others(facts):
    results = ModelCardData(**header(render_card(facts))).eval_results
    figures = {result.metric_name: result for result in results}
    assert set(figures) == {"digit accuracy", "reconstruction"}
    digit = figures["digit accuracy"]
    assert (digit.metric_type, digit.metric_value, digit.dataset_split) == ("accuracy", 0.8125, "unseen")
    assert digit.metric_args["count"] == 240
    assert digit.metric_args["confidence_interval_95"] == [0.758, 0.857]
    assert figures["reconstruction"].metric_type == "psnr"
    assert digit.dataset_name == "someone/moving_digits"


def test_body_tells_the_run(facts):
    card = render_card(facts)
    assert "`VideoTransformerForVideoGeneration` of 1.03 million parameters" in card
    assert "| digit accuracy | unseen | 81.2% | 75.8% to 85.7% | 240 | 97.7% | worst: 8, 12 of 24 |" in card
    assert "| reconstruction | all | 25.31 dB | – | unknown | – |" in card
    assert "| colour accuracy | all | not measured | – | 0 | – |" in card
    assert "| train | 8,192 |" in card
    assert r"2 (broken.mp4: truncated; notes.txt: no video)" in card
    assert "| training time | 9 min 7 s |" in card
    assert "heygen-hf train recipes/text_to_video/moving_digits.yaml training.max_steps=200" in card
    assert "```yaml\ntask: text_to_video\n" in card
    assert "![Frames of generated videos, one video a row](samples/strips.png)" in card
    assert "1. a red 7 moves left\n2. a blue 1 moves up" in card
    assert "pipe('a red 7 moves left').frames[0]" in card
    assert "| num\\_inference\\_steps | 32 |" in card
    assert "timesteps and noise: 0.12346." in card
    assert "Knows nothing but moving digits." in card


def test_what_is_not_known_is_said_to_be_unknown():
    card = render_card(CardFacts(title="bare"))
    assert header(card)["license"] == "unknown"
    assert "model-index" not in header(card)
    assert "Nothing was measured." in card
    assert "Data set: unknown. Clips that could not be used: unknown." in card
    assert "| training time | unknown |" in card
    assert "| hardware | unknown |" in card
    assert "timesteps and noise: unknown." in card
    assert "parameters" not in card
    assert "None" not in card.replace("None were made", "")


@pytest.mark.parametrize("path", ["/tmp/strip.png", "../strip.png", "samples\\strip.png", "C:/strip.png", ""])
def test_samples_lie_inside_the_run(change, path):
    with pytest.raises(ValueError, match="must be relative to the run folder"):
        render_card(change(samples=[SampleImage(path=path)]))


def test_data_on_the_hub_keeps_its_name_and_local_data_loses_its_place(change, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert "Data set: someone/clips." in render_card(change(data_name="someone/clips"))
    (tmp_path / "someone" / "clips").mkdir(parents=True)
    assert "Data set: clips." in render_card(change(data_name="someone/clips"))


def test_write_card_wants_the_pictures_there(facts, tmp_path):
    with pytest.raises(ValueError, match=r"sample 'samples/strips\.png' is not in"):
        write_card(tmp_path, facts)
    assert not (tmp_path / "README.md").exists()
    (tmp_path / "samples").mkdir()
    (tmp_path / "samples" / "strips.png").write_bytes(b"")
    path = write_card(tmp_path, facts)
    assert path == tmp_path / "README.md"
    assert path.read_text(encoding="utf-8") == render_card(facts)
    assert {entry.name for entry in tmp_path.iterdir()} == {"README.md", "samples"}
    with pytest.raises(ValueError, match="is no folder"):
        write_card(tmp_path / "missing", facts)


def test_attribute_figures_become_metrics():
    def figure(correct, count, worst=None):
        accuracy = correct / count
        return {
            "accuracy": accuracy,
            "correct": correct,
            "count": count,
            "interval": [accuracy - 0.1, accuracy + 0.1],
            "worst_value": worst,
        }

    def report(correct, worst=None):
        return {
            "columns": {"digit": figure(correct, 20, worst)},
            "all_columns_correct": figure(correct - 1, 20),
        }

    worst = {"value": "8", "accuracy": 0.5, "correct": 1, "count": 2}
    generated = {**report(18), "groups": {"unseen": report(15, worst), "seen": report(18)}}
    real = {**report(20), "groups": {"seen": report(20)}}
    metrics = attribute_metrics(generated, real, group_names={"unseen": "unseen combinations"})
    assert [(metric.name, metric.group, metric.value, metric.ceiling) for metric in metrics] == [
        ("digit accuracy", "unseen combinations", 0.75, None),
        ("all columns correct", "unseen combinations", 0.7, None),
        ("digit accuracy", "seen", 0.9, 1.0),
        ("all columns correct", "seen", 0.85, 0.95),
    ]
    assert metrics[0].note == "worst: 8, 1 of 2"
    assert metrics[0].count == 20
    ungrouped = attribute_metrics({**report(18), "groups": {}}, real)
    assert [(metric.group, metric.ceiling) for metric in ungrouped] == [(None, 1.0), (None, 0.95)]


def test_share_is_a_percentage_and_other_units_are_not(change):
    card = render_card(change(metrics=[MetricResult(name="speed", value=0.5, unit="")]))
    assert "| speed | all | 0.5 |" in card
