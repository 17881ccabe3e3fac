"""The card says what was measured, says what is unknown, and is a valid card for the Hub."""

import json

import pytest
import yaml
from huggingface_hub import ModelCard, ModelCardData

from heygen_hf.hub import (
    CardFacts,
    DataSplit,
    MetricResult,
    SampleImage,
    attribute_metrics,
    checks_in,
    render_card,
    write_card,
)
from heygen_hf.tasks.registry import TASKS


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
    assert "| reconstruction | all | 25.31 dB | – | unknown | – | – |" in card
    assert "| colour accuracy | all | not measured | – | 0 | – | – |" in card
    assert "These figures are in `metrics.json`." in card
    assert "| training time | 9 min 7 s |" in card
    assert "| energy | 0.01234 kWh (one GPU) |" in card
    assert "| commit of heygen\\_hf | 0123456789ab and changes that were not committed |" in card
    assert "heygen-hf train recipes/text_to_video/moving_digits.yaml training.max_steps=200" in card
    assert "```yaml\ntask: text_to_video\n" in card
    assert "![Frames of videos, one video a row](samples/strips.png)" in card
    assert "1. a red 7 moves left\n2. a blue 1 moves up" in card
    assert 'pipe("a red 7 moves left").frames[0]' in card
    assert "| num\\_inference\\_steps | 32 |" in card
    assert "These are in `model_index.json`." in card
    assert "timesteps and noise: 0.12346." in card
    assert "For tests of cards." in card
    assert "Knows nothing but moving digits." in card
    assert "```\n@misc{digits}\n```" in card


def test_the_fate_of_every_clip_is_told(facts, change):
    card = render_card(facts)
    assert "| train | 8,706 | 8,192 | 512 | 3 | 2 |" in card
    assert "| test | 480 | 480 | unknown | unknown | 0 |" in card
    assert "| train | truncated | 1 | broken.mp4 |" in card
    assert "| train | no video | 1 | notes.txt |" in card
    assert "| went away | 1 | late.mp4 |" in card
    assert "- 4 files are copies of others" in card
    assert "These figures are in `run.json`." in card
    many = [(f"{i}.mp4", f"reason {i % 40}") for i in range(400)]
    card = render_card(change(splits=[DataSplit(name="train", used=0, skipped=many)]))
    assert "| train | reason 0 | 10 | 0.mp4, 40.mp4, 80.mp4 and 7 more |" in card
    assert "| all | 10 more reasons | 100 | – |" in card
    assert "| train | unknown | 0 | unknown | unknown | 400 |" in card


def test_what_is_not_known_is_said_to_be_unknown():
    card = render_card(CardFacts(title="bare"))
    assert header(card)["license"] == "unknown"
    assert "model-index" not in header(card)
    assert "Nothing was measured. How good this model is, is unknown." in card
    assert "Data set: unknown." in card
    assert "How many clips there were, and what became of them, is unknown." in card
    for name in ("training time", "energy", "hardware", "commit of heygen\\_hf", "optimiser steps"):
        assert f"| {name} | unknown |" in card
    assert "timesteps and noise: unknown." in card
    assert "Package versions: unknown." in card
    assert "Command:\n\nunknown\n" in card
    assert "## Citation\n\nNone was given." in card
    assert "parameters" not in card
    assert "None" not in card.replace("None were made", "").replace("None was given", "")


def test_a_resumed_run_has_no_whole_time(change):
    card = render_card(change(training_seconds=None, seconds_since_resumed=61.0, resumed_at_step=1500))
    assert "| training time | unknown as a whole; 1 min 1 s since it was resumed at step 1,500 |" in card


def test_figures_stand_in_a_table_for_each_file(change):
    other = MetricResult(
        name="fvd",
        value=150.25,
        unit="",
        count=256,
        noise_floor=20.5,
        higher_is_better=False,
        metric_type="fvd",
        source="evaluation/metrics_fvd.json",
        provenance={"seed": 0, "features": {"weights_hash": "abc", "size": None}},
    )
    name = "evaluation/metrics_fvd.json"
    card = render_card(change(metrics=[*change().metrics, other], stories={name: "256 videos, first seed 1000"}))
    table = card[card.index("256 videos, first seed 1000") :]
    assert "| measure | group | value | 95 % interval | count | noise floor |\n" in table
    assert "| fvd ↓ | all | 150.2 | – | 256 | 20.5 |" in table
    assert f"These figures are in `{name}`." in table
    results = {result.metric_name: result for result in ModelCardData(**header(card)).eval_results}
    assert results["fvd"].metric_args["file"] == name
    assert results["fvd"].metric_args["provenance"] == {"seed": 0, "features": {"weights_hash": "abc"}}
    assert results["digit accuracy"].metric_args["file"] == "metrics.json"


def test_checks_are_shown_as_they_were_written(change, tmp_path):
    (tmp_path / "evaluation").mkdir()
    (tmp_path / "evaluation" / "nearest.png").touch()
    check = {
        "name": "groups",
        "title": "Accuracy by group",
        "summary": "The worst is 8.",
        "columns": ["group", "accuracy"],
        "rows": [["7", "99.0%"], ["8", "9 of 20"], ["too short"]],
        "notes": ["few | of them"],
        "figures": [{"name": "groups", "value": 0.45}],
        "files": ["evaluation/nearest.png", "evaluation/gone.png", "../outside.png"],
    }
    (tmp_path.parent / "outside.png").touch()
    (tmp_path / "checks.json").write_text(json.dumps({"format_version": 1, "checks": {"groups": check, "x": 3}}))
    card = render_card(change(checks=checks_in(tmp_path)))
    told = card[card.index("## Checked") : card.index("## Training data")]
    assert told == (
        "## Checked\n\n### Accuracy by group\n\nThe worst is 8.\n\n"
        "| group | accuracy |\n|---|---|\n| 7 | 99.0% |\n| 8 | 9 of 20 |\n\n"
        "- few \\| of them\n\n![What the check found, as a picture](evaluation/nearest.png)\n\n"
        "These figures are in `checks.json`.\n\n"
    )
    for broken in ("[1, 2]", "{", '{"checks": 3}', '{"checks": {"a": {"name": "a"}}}'):
        (tmp_path / "checks.json").write_text(broken)
        assert checks_in(tmp_path) == []
    assert "## Checked" not in render_card(change(checks=[]))


def test_a_value_that_is_no_number_is_not_a_result(change):
    card = render_card(change(metrics=[MetricResult(name="speed", value=float("nan"), unit="")]))
    assert "| speed | all | not a number |" in card
    assert "model-index" not in header(card)


@pytest.mark.parametrize("kind", sorted(TASKS))
def test_every_task_has_a_template(kind):
    makes_videos = kind in ("text_to_video", "audio_to_video", "distillation", "finetuning")
    usage = None if makes_videos else "model = FOLDER"
    cards = [
        render_card(CardFacts(title="x", kind=kind, usage=usage, is_adapter=is_adapter, base_model="someone/base"))
        for is_adapter in (False, True)
    ]
    for card in cards:
        assert "What it is meant for is unknown." not in card
        assert [line for line in card.splitlines() if line.startswith("## ")][-4:] == [
            "## Intended use",
            "## Limits",
            "## Citation",
            "## Licence",
        ]
    assert "It is an adapter: it changes someone/base" in cards[1]
    assert header(cards[1])["base_model"] == "someone/base"


def test_a_task_without_a_template_has_that_of_all_models():
    assert "What it is meant for is unknown." in render_card(CardFacts(title="x", kind="juggling", usage="a = FOLDER"))
    assert "Sampling settings" in render_card(CardFacts(title="x", kind="juggling"))


def test_the_hubs_own_classes_take_the_header(facts):
    """What `RepoCard.validate` sends to the Hub is this text; here it is read, written and read again."""
    card = ModelCard(render_card(facts), ignore_metadata_errors=False)
    again = ModelCard(str(card), ignore_metadata_errors=False)
    assert again.data.to_dict() == card.data.to_dict()
    assert {result.dataset_name for result in again.data.eval_results} == {"someone/moving_digits"}
    assert card.data.datasets == ["someone/moving_digits"]


def test_a_licence_that_is_no_identifier_is_another_one(change):
    data = header(render_card(change(licence="Ours: ask first")))
    assert (data["license"], data["license_name"]) == ("other", "Ours: ask first")


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
