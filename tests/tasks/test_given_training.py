"""A recipe whose model learns from given frames: trained, exported, judged, and generated from."""

import json
from pathlib import Path

import pytest
import torch

from heygen_hf.data import render_moving_digits
from heygen_hf.pipelines import VideoGenerationPipeline
from heygen_hf.tasks import load_recipe, run_recipe
from heygen_hf.tasks.text_to_video import evaluate

RECIPES = Path(__file__).parents[2] / "recipes" / "text_to_video"
TINY = [
    "model.hidden_size=32",
    "model.num_hidden_layers=1",
    "model.num_attention_heads=1",
    "training.max_steps=2",
    "training.per_device_train_batch_size=8",
    "training.eval_steps=2",
    "training.save_steps=2",
    "training.sample_steps=0",
    "training.max_eval_clips=8",
    "training.compile_blocks=never",
    "training.disable_tqdm=true",
    "generation.num_inference_steps=1",
    "generation.num_samples=2",
    "generation.batch_size=3",
    "evaluation.videos_per_unseen_combination=1",
    "evaluation.judge_max_steps=2",
    "evaluation.image_to_video_clips=4",
    "evaluation.continuation_clips=2",
    "evaluation.continuation_frames=13",
]


@pytest.fixture(scope="module")
def finished(tmp_path_factory: pytest.TempPathFactory) -> Path:
    work = tmp_path_factory.mktemp("given")
    render_moving_digits(work / "digits", num_train=216, num_validation=24, num_test=24, progress=False)
    values = [*TINY, f"data.train={work / 'digits'}", f"data.cache_dir={work / 'cache'}", f"output_dir={work / 'run'}"]
    return run_recipe(RECIPES / "moving_digits_given_frames.yaml", values, command=["heygen-hf", "train"]).folder


def test_the_export_says_what_it_learned_and_takes_it_up(finished: Path) -> None:
    pipeline = VideoGenerationPipeline.from_pretrained(finished)
    assert pipeline.transformer.config.given_frame_patterns == ["first", "prefix", "first_and_last"]
    image = torch.randint(0, 256, (3, 32, 32), dtype=torch.uint8)
    options = {"image": image, "output_type": "pt", "generator": torch.Generator().manual_seed(0)}
    frames = pipeline("a red 7 moves left", num_frames=14, **options).frames
    assert frames.shape == (1, 14, 3, 32, 32)
    assert torch.equal((frames[0, 0] * 255).round().to(torch.uint8), image)


def test_validation_is_logged_apart(finished: Path) -> None:
    rows = [json.loads(line) for line in (finished / "log.jsonl").read_text().splitlines()]
    (row,) = [row for row in rows if "eval_loss" in row]
    assert {"eval_loss_given_first", "eval_loss_given_prefix", "eval_loss_given_first_and_last"} <= row.keys()


def test_the_figures_of_given_frames(finished: Path, tmp_path: Path) -> None:
    metrics = json.loads((finished / "metrics.json").read_text())
    image, ends = metrics["image_to_video"], metrics["continuation"]
    assert image["num_videos"] == 4
    assert {"with_caption", "without_caption", "real"} <= image.keys()
    assert image["without_caption"]["columns"]["digit"]["count"] == 4
    assert (ends["num_frames"], ends["context_frames"], ends["num_videos"]) == (13, 4, 2)
    assert 0 < ends["real"]["pixel_mean"] < 0.2 < ends["real"]["pixel_std"] / ends["real"]["pixel_mean"]
    assert ends["last_window"]["columns"].keys() == {"colour", "digit", "direction"}
    again = evaluate(finished, output=tmp_path / "figures.json")
    assert again["image_to_video"] == image
    assert again["continuation"] == ends
    assert load_recipe(finished / "recipe.yaml").training["given_frames"]["first"] == 0.25
