"""`run_checks` of a generator: what is compared, what is recorded, and that no video is made twice."""

import json
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
import yaml

from heygen_hf.data.video import decode_frames
from heygen_hf.evaluation import AttributeJudges, Measurement, VideoFiles, load_video_features
from heygen_hf.tasks.generation import load_pipeline, sample_videos, to_uint8
from heygen_hf.tasks.responsible_checks import read_checks, run_checks


def rows_of(folder: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in (folder / "metadata.jsonl").read_text().splitlines()]


def test_groups_are_of_what_the_judges_see(run: Path, digits: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (check,) = run_checks(run, ["groups"], num_videos=24, groups=["direction,colour"], metrics=["temporal_flicker"])
    videos = VideoFiles(run / "evaluation" / "generated")
    asked = [row["text"] for row in rows_of(run / "evaluation" / "generated")]
    direction = [text.split()[-1] for text in asked]
    colour = [text.split()[1] for text in asked]
    judges = AttributeJudges.from_pretrained(run / "evaluation" / "judges")
    seen = judges.predict(torch.stack([clip.frames for clip in videos]).float() / 127.5 - 1)["direction"]
    hits = np.array([a == b for a, b in zip(seen, direction, strict=True)], dtype=float)
    assert "direction" in {f.details["group_column"] for f in check.figures if f.name == "temporal_flicker"}
    judged = [figure for figure in check.figures if figure.name == "accuracy, direction"]
    assert judged
    for figure in judged:
        values = {"direction": direction, "colour": colour}[figure.details["group_column"]]
        assert figure.details["all"]["value"] == pytest.approx(hits.mean())
        for group in figure.details["groups"]:
            members = [value == group["group"] for value in values]
            assert group["count"] == sum(members)
            assert group["value"] == pytest.approx(hits[members].mean())
        assert isinstance(figure.provenance.features, dict)
        assert set(figure.provenance.features["weights_hash"]) == {"direction"}

    written = read_checks(run / "checks.json")["groups"]
    assert written["subject"]["first_seed"] == 40
    assert written["subject"]["count"] == 24
    assert written["subject"]["weights"] == rows_of(run / "evaluation" / "generated")[0]["weights"]
    for figure in written["figures"]:
        assert Measurement.from_dict(figure).provenance.seed == 0
    assert all(len(row) == len(written["columns"]) for row in written["rows"])
    assert str(run.parent) not in json.dumps(written)
    assert str(digits.parent) not in json.dumps(written)
    assert written["summary"] in capsys.readouterr().out


def test_paraphrases_keep_the_seed_and_are_measured_beside_what_was_meant(run: Path) -> None:
    (check,) = run_checks(run, ["paraphrase"], num_videos=6)
    distances = {f.details["kind"]: f for f in check.figures if f.name == "feature distance"}
    assert {"casing", "template", "word_order", "synonyms", "typo", "punctuation"} == set(distances)
    # the tokenizer knows no capitals: the videos are the same, but for the rounding of batches of another size
    assert distances["casing"].details["relative"] < 1e-3
    assert distances["synonyms"].details["relative"] > 0.05
    relative = distances["synonyms"].value / distances["synonyms"].details["unrelated"]
    assert distances["synonyms"].details["relative"] == pytest.approx(relative)

    made = run / "evaluation" / "generated_paraphrased" / "synonyms"
    before, after = rows_of(run / "evaluation" / "generated")[:6], rows_of(made)
    assert [row["seed"] for row in after] == [row["seed"] for row in before]
    pipeline = load_pipeline(run)
    texts, seeds = [row["text"] for row in after], [row["seed"] for row in after]
    frames = to_uint8(sample_videos(pipeline, texts, seeds=seeds, batch_size=6, precision="fp32"))
    assert torch.equal(torch.stack([clip.frames for clip in VideoFiles(made)]), frames)
    network = load_video_features()
    first = network(
        torch.stack([decode_frames(str(run / "evaluation/generated" / f"{i:05d}.mp4")).frames for i in range(6)])
    )
    assert distances["synonyms"].value == pytest.approx(float((first - network(frames)).norm(dim=1).mean()), rel=1e-4)
    falls = [figure for figure in check.figures if figure.name == "accuracy, direction"]
    assert {figure.details["kind"] for figure in falls} == set(distances)
    for figure in falls:
        assert figure.reference_value is not None
        assert figure.details["fall"] == pytest.approx(figure.reference_value - figure.value)

    stamps = {path: path.stat().st_mtime_ns for path in made.glob("*.mp4")}
    again = run_checks(run, ["paraphrase"], num_videos=6)[0]
    assert {path: path.stat().st_mtime_ns for path in made.glob("*.mp4")} == stamps
    assert [figure.value for figure in again.figures] == [figure.value for figure in check.figures]


def test_paraphrases_of_a_file_stand_in_for_those_by_rule(run: Path, tmp_path: Path) -> None:
    run_checks(run, ["groups"], num_videos=4)
    asked = [row["text"] for row in rows_of(run / "evaluation" / "generated")][:4]
    file = tmp_path / "said.jsonl"
    rows = [{"prompt": asked[0], "paraphrases": ["one", "two"]}, {"prompt": asked[1], "paraphrases": ["three"]}]
    file.write_text("\n".join(json.dumps(row) for row in rows))
    (check,) = run_checks(run, ["paraphrase"], num_videos=4, paraphrases=file)
    counts = {figure.details["kind"]: figure.count for figure in check.figures}
    assert counts == {"given_1": sum(text in asked[:2] for text in asked), "given_2": asked.count(asked[0])}
    file.write_text(json.dumps({"prompt": "no such prompt", "paraphrases": ["x"]}))
    with pytest.raises(ValueError, match="has no paraphrase of any prompt of these videos"):
        run_checks(run, ["paraphrase"], num_videos=4, paraphrases=file)


def test_the_training_clips_are_those_of_the_recipe(run: Path) -> None:
    (check,) = run_checks(run, ["memorization"], num_videos=4)
    assert check.details["training"] == {"source": "digits", "count": 24}
    assert check.details["held_out_count"] == 12
    assert {figure.details["features"] for figure in check.figures} == {"features", "pixels"}
    assert check.files == ["evaluation/nearest_training_clips.png"]
    assert (run / check.files[0]).is_file()
    for pair in check.details["nearest_pairs"]["pixels"]:
        assert pair["training_clip"] == f"{pair['training_index']:05d}.mp4"


def test_what_does_not_apply_is_recorded_and_checks_of_other_weights_go(run: Path, tmp_path: Path) -> None:
    copy = tmp_path / "run"
    shutil.copytree(run, copy)
    (copy / "checks.json").unlink(missing_ok=True)
    (check,) = run_checks(copy, ["corruption"], num_videos=4)
    assert not check.applies
    run_checks(copy, ["groups"], num_videos=8)
    found = read_checks(copy / "checks.json")
    assert list(found) == ["groups", "corruption"]
    assert found["corruption"]["summary"] == "The model takes no picture, clip or sound."

    pipeline = load_pipeline(copy)
    with torch.no_grad():
        next(pipeline.transformer.parameters()).add_(1e-3)
    pipeline.save_pretrained(copy)
    run_checks(copy, ["groups"], num_videos=8)
    assert list(read_checks(copy / "checks.json")) == ["groups"]


@pytest.mark.filterwarnings("ignore:this model was trained without given frames")
def test_given_frames_are_corrupted_and_the_clean_figures_stand_beside(run: Path, tmp_path: Path) -> None:
    copy = tmp_path / "run"
    shutil.copytree(run, copy)
    recipe = yaml.safe_load((copy / "recipe.yaml").read_text())
    recipe["training"]["given_frames"] = {"none": 0.5, "first": 0.5}
    (copy / "recipe.yaml").write_text(yaml.safe_dump(recipe))
    (check,) = run_checks(copy, ["corruption"], num_videos=4)
    assert check.applies
    assert check.subject["given_frames"] == 1
    distances = [figure for figure in check.figures if figure.name == "feature distance"]
    # a single frame cannot be dropped
    assert {figure.details["corruption"] for figure in distances} == {"noise", "blur", "jpeg", "brightness"}
    assert {figure.details["severity"] for figure in distances} == {1, 2, 3}
    assert all(figure.value > 0 for figure in distances)
    accuracy = [figure for figure in check.figures if figure.name == "accuracy, direction"]
    assert len(accuracy) == len(distances)
    assert len({figure.reference_value for figure in accuracy}) == 1

    recipe["training"]["given_frames"] = {"prefix": 1.0}
    (copy / "recipe.yaml").write_text(yaml.safe_dump(recipe))
    (check,) = run_checks(copy, ["corruption"], num_videos=4)
    assert check.subject["given_frames"] == 2
    assert "frame_drops" in {figure.details["corruption"] for figure in check.figures}


@pytest.mark.parametrize(
    ("checks", "options", "said"),
    [
        ("group", {}, r"there is no check 'group'; known are groups, paraphrase"),
        (",", {}, r"--checks names none"),
        ("groups", {"groups": ["size"]}, r"size"),
        ("groups", {"groups": [","]}, r"--groups names no column"),
        ("memorization", {"groups": ["colour"]}, r"--groups is of the check groups"),
        ("groups", {"training_data": "x"}, r"--training-data is of the check memorization"),
        ("groups", {"paraphrases": "x"}, r"--paraphrases is of the check paraphrase"),
        ("memorization", {"training_data": "no/such"}, r"--training-data no/such is no folder"),
        ("memorization", {"metrics": ["temporal_flicker"]}, r"temporal_flicker is compared between groups"),
        ("groups", {"metrics": ["fvd"]}, r"fvd is no figure of one video by itself"),
        ("paraphrase", {"paraphrases": "no/such.jsonl"}, r"--paraphrases no/such.jsonl is no file"),
        ("memorization", {"features": ["no/such folder"]}, r"no features load from"),
    ],
)
def test_what_cannot_be_is_refused_in_a_line(run: Path, checks: str, options: dict[str, Any], said: str) -> None:
    with pytest.raises(ValueError, match=said) as caught:
        run_checks(run, [checks], num_videos=4, **options)
    assert "\n" not in str(caught.value)
