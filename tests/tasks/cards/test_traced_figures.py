"""Every figure of a card can be traced to a JSON file beside it."""

import json
from pathlib import Path

import pytest
from traced_figures import num_figures, untraced

from heygen_hf.tasks.cards import copy_card, rewrite_card

MODEL_CARDS = Path(__file__).parents[3] / "model_cards"
SHOWN = sorted(path.parent for path in MODEL_CARDS.glob("*/README.md"))


@pytest.fixture
def copy(run: Path, tmp_path: Path) -> Path:
    """Of a run whose distance is of enough videos, so that it is in the card's header, too."""
    file = run / "evaluation" / "metrics_fvd_256_videos_seed_1000.json"
    file.write_text(file.read_text().replace('"below_minimum": true', '"below_minimum": false'))
    rewrite_card(run)
    copy_card(run, tmp_path / "card")
    return tmp_path / "card"


def test_every_figure_of_a_run_is_traced(run: Path, copy: Path) -> None:
    assert num_figures(run) > 40
    assert untraced(run) == []
    assert untraced(copy) == []


@pytest.mark.skipif(not SHOWN, reason="only a checkout has the cards of the recipes' models")
@pytest.mark.parametrize("folder", SHOWN, ids=lambda path: path.name)
def test_every_figure_of_a_shown_card_is_traced(folder: Path) -> None:
    assert num_figures(folder) > 10
    assert untraced(folder) == []


@pytest.mark.parametrize(
    ("written", "instead"),
    [
        ("| 95.8% |", "| 95.9% |"),  # a share
        ("| 150.7 |", "| 150.8 |"),  # a distance
        ("| 20.48 |", "| 20.47 |"),  # its noise floor
        ("148.3 to", "148.4 to"),  # its interval
        ("| 12,290 |", "| 12,291 |"),  # the data
        ("| truncated after 7 frames | 2 |", "| truncated after 7 frames | 4 |"),
        ("10 min 55 s", "10 min 56 s"),
        ("0.01235 kWh", "0.01236 kWh"),
        ("0123456789ab |", "0123456789ac |"),
        ("2.13.0+cpu", "2.13.1+cpu"),
        ("| 45.0% |", "| 46.0% |"),  # a check
        ("steps | 20 |", "steps | 21 |"),  # the sampling
        ("value: 0.9583333333333334", "value: 0.9583333333333333"),  # the header
        ("noise_floor: 20.481082595725965", "noise_floor: 20.481"),
        ("height: 64", "height: 65"),
        ("These figures are in `run.json`.", ""),
        ("These figures are in `checks.json`.", "These figures are in `check.json`."),
    ],
)
def test_a_changed_figure_is_found(copy: Path, written: str, instead: str) -> None:
    card = copy / "README.md"
    text = card.read_text(encoding="utf-8")
    assert written in text
    card.write_text(text.replace(written, instead), encoding="utf-8")
    assert untraced(copy) != []


def test_a_figure_that_is_gone_from_its_file_is_found(copy: Path) -> None:
    path = copy / "metrics.json"
    values = json.loads(path.read_text())
    values["attribute_accuracy"]["groups"]["seen"]["columns"]["digit"]["count"] = 241
    path.write_text(json.dumps(values))
    assert untraced(copy) != []


@pytest.mark.skipif(not SHOWN, reason="only a checkout has the cards of the recipes' models")
def test_the_readme_says_of_checks_what_their_file_says() -> None:
    readme = " ".join((MODEL_CARDS.parent / "README.md").read_text(encoding="utf-8").split())
    checks = json.loads((MODEL_CARDS / "moving_digits" / "checks.json").read_text(encoding="utf-8"))["checks"]
    (worst,) = [each for each in checks["groups"]["figures"] if each["details"]["group_column"] == "digit"]
    assert worst["details"]["is_more_than_chance"]
    low, high = worst["interval"]
    said = f"digit {worst['details']['group']} is right in {worst['value']:.0%} [{low:.0%}, {high:.0%}] of "
    said += f"{worst['count']} videos where all digits have {worst['details']['all']['value']:.0%}"
    assert said.replace("%,", ",").replace("%]", "]").replace("%", " %") in readme
    fall = max(
        (each for each in checks["paraphrase"]["figures"] if each["name"] == "accuracy, all labels"),
        key=lambda each: each["details"]["fall"],
    )
    assert fall["details"]["is_more_than_chance"]
    assert fall["details"]["kind"] == "synonyms"
    before, after = 100 * fall["reference_value"], 100 * fall["value"]
    assert f"take all labels right from {before:.1f} to {after:.1f} % of {fall['count']}" in readme
    near = checks["memorization"]
    training = near["details"]["training"]["count"]
    assert near["summary"] == f"Videos come no nearer to the {training} training clips than held-out real clips do."
    assert f"{near['subject']['count']} videos come no nearer to the {training:,} training clips" in readme
