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
