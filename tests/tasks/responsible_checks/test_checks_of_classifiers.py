"""`run_checks` of supervised runs: groups of held-out clips and texts, and clips that are shown worse."""

import json
from collections.abc import Callable
from pathlib import Path

import pytest
import torch

from heygen_hf.evaluation.robustness import CLIP_CORRUPTIONS, corrupt_clip
from heygen_hf.tasks.responsible_checks import read_checks, run_checks
from heygen_hf.tasks.responsible_checks.corrupted_inputs import InputCorruption, corrupting


def test_groups_of_a_classifier_of_videos(classifier_run: Path) -> None:
    (check,) = run_checks(classifier_run, ["groups"], groups=["direction,colour"])
    written = read_checks(classifier_run / "checks.json")["groups"]
    assert written["subject"]["count"] == 12
    assert written["subject"]["task"] == "video_classification"
    for figure in check.figures:
        total = sum(group["value"] * group["count"] for group in figure.details["groups"])
        assert figure.details["all"]["value"] == pytest.approx(total / 12)
        assert sum(group["count"] for group in figure.details["groups"]) == 12


def test_worse_clips_stand_beside_the_clean_ones(classifier_run: Path) -> None:
    (check,) = run_checks(classifier_run, ["corruption"])
    assert check.applies
    seen = {(figure.details["corruption"], figure.details["severity"]) for figure in check.figures}
    assert seen == {(kind, severity) for kind in CLIP_CORRUPTIONS for severity in (1, 2, 3)}
    assert len({figure.reference_value for figure in check.figures if figure.name == check.figures[0].name}) == 1
    assert all(figure.interval is not None for figure in check.figures)
    assert len(check.rows) == len({(f.details["corruption"], f.name, f.details["group"]) for f in check.figures})


class Inner(torch.nn.Module):
    def forward(self, pixel_values: torch.Tensor) -> torch.Tensor:
        if pixel_values.shape[1] == 1:
            raise ValueError("too short")
        return pixel_values


class Outer(torch.nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.inner = Inner()

    def forward(self, texts: int, pixel_values: torch.Tensor | None = None) -> torch.Tensor:
        return self.inner(pixel_values=pixel_values)


def test_every_way_into_a_model_is_corrupted_once_and_only_while_asked() -> None:
    clips = (torch.rand(2, 4, 3, 8, 8) * 255).round() / 255
    normalised = (clips - 0.5) / 0.25
    model, corruption = Outer(), InputCorruption(mean=[0.5] * 3, std=[0.25] * 3)
    corruption.kind, corruption.severity = "noise", 2
    expected = (torch.stack([corrupt_clip(clip, "noise", 2) for clip in clips]) - 0.5) / 0.25
    with corrupting(model, corruption):
        for made in (
            model(0, pixel_values=normalised),
            model(0, normalised),
            model.inner(normalised),
        ):
            torch.testing.assert_close(made, expected, atol=1e-5, rtol=0)
        with pytest.raises(ValueError, match="too short"):
            model(0, normalised[:, :1])
        # what failed left nothing behind
        torch.testing.assert_close(model(0, normalised), expected, atol=1e-5, rtol=0)
        corruption.kind = None
        assert torch.equal(model(0, normalised), normalised)
    corruption.kind = "noise"
    assert torch.equal(model(0, normalised), normalised)


def test_groups_of_a_classifier_of_texts(tmp_path: Path, save_untrained: Callable[..., Path]) -> None:
    kinds = {"animal": ["cat", "dog", "cow"], "tool": ["saw", "axe", "nail"]}
    for split, count in (("train", 60), ("validation", 20), ("test", 40)):
        rows = []
        for number in range(count):
            label = list(kinds)[number % 2]
            word = kinds[label][number % 3]
            language = "nl" if number % 4 == 0 else "en"
            rows.append({"text": f"{split} {word} number {number} {language}", "label": label, "language": language})
        (tmp_path / split).mkdir()
        (tmp_path / split / "rows.jsonl").write_text("\n".join(json.dumps(row) for row in rows))
    recipe = {
        "task": "text_classification",
        "output_dir": str(tmp_path / "run"),
        "model": {"hidden_size": 32, "num_hidden_layers": 1, "num_attention_heads": 2},
        "data": {"train": str(tmp_path), "repeated": "keep", "vocab_size_limit": 300, "max_length": 32},
        "training": {"use_cpu": True},
        "evaluation": {"baseline": False},
    }
    run = save_untrained(recipe, tmp_path / "run")
    groups, paraphrase, corruption = run_checks(run, ["groups,paraphrase,corruption"], groups=["language"])
    assert groups.subject["count"] == 40
    for figure in groups.figures:
        assert {group["group"]: group["count"] for group in figure.details["groups"]} == {"nl": 10, "en": 30}
    assert not paraphrase.applies
    assert not corruption.applies
    with pytest.raises(ValueError, match="--groups dialect: the test texts have no such column; they have"):
        run_checks(run, ["groups"], groups=["dialect"])
