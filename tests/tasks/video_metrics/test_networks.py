"""Which network a metric looks through where none is named."""

import json
from pathlib import Path

import pytest

from heygen_hf.tasks.video_metrics import measure_videos
from heygen_hf.tasks.video_metrics.networks import metric_models


def test_the_inception_score_takes_the_runs_judge_of_most_classes(tmp_path: Path) -> None:
    for name, classes in (("colour", 6), ("digit", 10), ("direction", 4)):
        (tmp_path / name).mkdir()
        config = {"id2label": {str(number): str(number) for number in range(classes)}}
        (tmp_path / name / "config.json").write_text(json.dumps(config))
    assert metric_models(["is"], [], judges=tmp_path).classifier == str(tmp_path / "digit")
    assert metric_models(["is"], ["is=mine"], judges=tmp_path).classifier == "mine"
    assert metric_models(["fvd"], [], judges=tmp_path).classifier is None
    with pytest.raises(ValueError, match=r"is needs a classifier of videos.*--features is=NAME_OR_FOLDER"):
        metric_models(["is"], [], judges=tmp_path / "none")


def test_the_clip_score_takes_a_published_clip(run: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", True)
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_CACHE", str(tmp_path / "empty"))
    assert metric_models(["clip_score"], []).text_video_features == "openai/clip-vit-base-patch32"
    with pytest.raises(ValueError, match=r"clip_score looks through openai/clip.*--features clip_score=") as caught:
        measure_videos(run, ["clip_score"], num_videos=2, videos_dir=tmp_path / "videos")
    assert "\n" not in str(caught.value)
    assert not (tmp_path / "videos").exists()
