import json
import os
import shutil
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file

from heygen_hf.data import decode_frames, render_moving_digits
from heygen_hf.pipelines import VideoGenerationPipeline
from heygen_hf.tasks import RecipeError, run_recipe
from heygen_hf.tasks.text_to_video import evaluate, generate

RECIPES = Path(__file__).parents[2] / "recipes" / "text_to_video"
TINY = [
    "model.hidden_size=32",
    "model.num_hidden_layers=1",
    "model.num_attention_heads=1",
    "training.max_steps=4",
    "training.per_device_train_batch_size=8",
    "training.eval_steps=2",
    "training.save_steps=2",
    "training.sample_steps=2",
    "training.logging_steps=1",
    "training.max_eval_clips=8",
    "training.compile_blocks=never",
    "training.disable_tqdm=true",
    "generation.num_inference_steps=2",
    "generation.num_samples=2",
    "evaluation.videos_per_unseen_combination=1",
    "evaluation.judge_max_steps=4",
]


@pytest.fixture(scope="module")
def work(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("work")
    render_moving_digits(folder / "digits", num_train=240, num_validation=24, num_test=48, progress=False)
    return folder


def train(work: Path, name: str, *overrides: str, recipe: str = "moving_digits.yaml", resume=None, overwrite=False):
    values = [*TINY, f"data.train={work / 'digits'}", f"data.cache_dir={work / 'cache'}", f"output_dir={work / name}"]
    return run_recipe(
        RECIPES / recipe, [*values, *overrides], resume=resume, overwrite=overwrite, command=["heygen-hf", "train"]
    )


@pytest.fixture(scope="module")
def finished(work: Path) -> Path:
    return train(work, "run").folder


def test_the_run_folder_reads_by_itself(finished: Path) -> None:
    names = {path.name for path in finished.iterdir()}
    assert {
        "README.md",
        "recipe.yaml",
        "log.jsonl",
        "run.json",
        "metrics.json",
        "samples",
        "checkpoints",
        "model_index.json",
        "transformer",
        "scheduler",
        "tokenizer",
        "processor",
        "reference.safetensors",
    } <= names
    metrics = json.loads((finished / "metrics.json").read_text())
    unseen = metrics["attribute_accuracy"]["groups"]["unseen"]["columns"]["digit"]
    low, high = unseen["interval"]
    assert 0 <= low <= unseen["accuracy"] <= high <= 1
    assert metrics["attribute_accuracy_real"]["groups"]["seen"]["columns"].keys() == {"colour", "digit", "direction"}
    card = (finished / "README.md").read_text()
    assert "digit accuracy" in card
    assert str(finished.parent) not in card
    facts = json.loads((finished / "run.json").read_text())
    assert facts["steps"] == 4
    assert facts["samples_seen"] == 32


def test_the_export_holds_the_average_and_makes_the_reference(finished: Path) -> None:
    exported = load_file(finished / "transformer" / "model.safetensors")
    average = load_file(finished / "checkpoints" / "checkpoint-4" / "ema.safetensors")
    raw = load_file(finished / "checkpoints" / "checkpoint-4" / "model.safetensors")
    name = "patch_proj.weight"
    assert torch.equal(exported[name], average[f"transformer.{name}"])
    assert not torch.equal(exported[name], raw[f"transformer.{name}"])
    reference = json.loads((finished / "reference.json").read_text())
    pipeline = VideoGenerationPipeline.from_pretrained(finished)
    frames = pipeline(
        reference["prompt"], generator=torch.Generator().manual_seed(reference["seed"]), output_type="pt"
    ).frames
    assert torch.equal(frames, load_file(finished / "reference.safetensors")["frames"])


def test_generate_writes_videos_in_order_with_their_seeds(finished: Path, tmp_path: Path) -> None:
    files = generate(
        finished, ["a red 7 moves left", "a blue 1 moves up"], num_videos=2, seed=5, output_dir=tmp_path / "out"
    )
    rows = [json.loads(line) for line in (tmp_path / "out" / "metadata.jsonl").read_text().splitlines()]
    assert [row["seed"] for row in rows] == [5, 6, 7, 8]
    assert [row["text"] for row in rows] == ["a red 7 moves left"] * 2 + ["a blue 1 moves up"] * 2
    assert [row["file_name"] for row in rows] == [file.name for file in files]
    assert rows[0]["num_inference_steps"] == 2
    assert all(file.stat().st_size > 0 for file in files)
    with pytest.raises(ValueError, match="already holds generated videos"):
        generate(finished, ["a"], output_dir=tmp_path / "out")
    with pytest.raises(ValueError, match=r"height=30 does not fit this model: .* \[28, 32\]"):
        generate(finished, ["a"], output_dir=tmp_path / "other", height=30)
    # Same seed in another batch: the same video, up to rounding.
    again = generate(finished, ["a blue 1 moves up"], seed=7, output_dir=tmp_path / "again")
    one, other = (decode_frames(path).frames.float() for path in (again[0], files[2]))
    assert (one - other).abs().mean() < 2
    # Fewer videos over more: none of the old ones is left without a row.
    generate(finished, ["a"], output_dir=tmp_path / "out", overwrite=True)
    assert sorted(path.name for path in (tmp_path / "out").iterdir()) == ["00000.mp4", "metadata.jsonl"]


def test_evaluate_again_agrees_and_can_write_elsewhere(finished: Path, tmp_path: Path) -> None:
    before = json.loads((finished / "metrics.json").read_text())
    again = evaluate(finished, output=tmp_path / "figures.json")
    assert again["attribute_accuracy"] == before["attribute_accuracy"]
    assert json.loads((tmp_path / "figures.json").read_text()) == json.loads(json.dumps(again))
    card = (finished / "README.md").read_text()
    partial = evaluate(finished, limit=5)
    assert partial["settings"]["num_videos"] == 5
    assert json.loads((finished / "metrics.json").read_text()) == before
    assert (finished / "README.md").read_text() == card
    assert (finished / "evaluation" / "partial.json").is_file()


def test_a_folder_that_holds_a_run_is_not_overwritten(finished: Path, work: Path) -> None:
    with pytest.raises(ValueError, match="already holds a run: continue it with --resume auto"):
        train(work, "run")
    (work / "other").mkdir()
    (work / "other" / "thesis.txt").touch()
    with pytest.raises(ValueError, match="holds other files"):
        train(work, "other")


def test_interrupted_and_resumed_equals_straight(work: Path, finished: Path) -> None:
    train(work, "parts", "training.lr_scheduler_type=constant", "evaluation.enabled=false")
    straight = load_file(work / "parts" / "transformer" / "model.safetensors")
    # A kill after step 2: the later checkpoint and the export are not there.

    shutil.rmtree(work / "parts" / "checkpoints" / "checkpoint-4")
    shutil.rmtree(work / "parts" / "transformer")
    (work / "parts" / "run.json").unlink()
    train(work, "parts", "training.lr_scheduler_type=constant", "evaluation.enabled=false", resume="auto")
    resumed = load_file(work / "parts" / "transformer" / "model.safetensors")
    assert all(torch.equal(weight, resumed[name]) for name, weight in straight.items())
    steps = [
        json.loads(line)["step"] for line in (work / "parts" / "log.jsonl").read_text().splitlines() if '"loss"' in line
    ]
    assert steps == [1, 2, 3, 4]


def test_a_finished_run_says_so_and_another_recipe_does_not_continue_it(
    finished: Path, work: Path, capsys: pytest.CaptureFixture
) -> None:
    before = (finished / "transformer" / "model.safetensors").stat().st_mtime_ns
    assert train(work, "run", resume="auto").metrics == json.loads((finished / "metrics.json").read_text())
    assert "is finished" in capsys.readouterr().out
    assert (finished / "transformer" / "model.safetensors").stat().st_mtime_ns == before
    with pytest.raises(ValueError, match=r"run of another recipe \(model.hidden_size changed\)"):
        train(work, "run", "model.hidden_size=64", resume="auto")


def test_bad_runs_and_recipes_are_one_line(work: Path, finished: Path, tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="there is no run at"):
        generate(tmp_path / "nowhere", ["a"], output_dir=tmp_path / "out")
    with pytest.raises(RecipeError, match="did you mean"):
        train(work, "x", "training.max_step=3")
    with pytest.raises(ValueError, match="height=30 is not a multiple of its patch size 4: use 28 or 32"):
        train(work, "y", "processor.height=30")
    with pytest.raises(ValueError, match="not a multiple of num_attention_heads"):
        train(work, "z", "model.hidden_size=33", "model.num_attention_heads=2")


def test_a_plain_folder_of_other_clips_trains(work: Path) -> None:
    """Without a validation split, without labels, at another size: the user's own folder."""
    clips = work / "mine"
    clips.mkdir()
    rows = []
    for i, source in enumerate(sorted((work / "digits" / "train").glob("*.mp4"))[:6]):
        os.link(source, clips / f"clip {i}.mp4")
        rows.append(json.dumps({"file_name": f"clip {i}.mp4", "text": f"clip number {i}"}))
    (clips / "broken.mp4").write_bytes(b"not a video")
    rows.append(json.dumps({"file_name": "broken.mp4", "text": "broken"}))
    (clips / "metadata.jsonl").write_text("\n".join(rows))
    run = train(work, "own", f"data.train={clips}", "data.max_bad_share=0.2", recipe="video_folder.yaml")
    facts = json.loads((run.folder / "run.json").read_text())
    assert facts["reports"]["train"]["num_used"] + facts["reports"]["validation"]["num_used"] == 6
    skipped = [row["file_name"] for report in facts["reports"].values() for row in report["skipped"]]
    assert skipped == ["broken.mp4"]
    assert "broken.mp4" in (run.folder / "README.md").read_text()
    assert run.metrics == {}


def test_a_mistake_in_the_first_try_does_not_claim_the_folder(work: Path) -> None:
    with pytest.raises(ValueError, match=r"nowhere"):
        train(work, "first", f"data.train={work / 'nowhere'}")
    with pytest.raises(ValueError, match="choose a column of classes"):
        train(work, "first", "data.label_columns=[scan]")
    assert train(work, "first", "evaluation.enabled=false").folder.is_dir()


def test_one_bad_file_does_not_stop_a_small_data_set(work: Path) -> None:
    clips = work / "small"
    clips.mkdir()
    rows = []
    for i, source in enumerate(sorted((work / "digits" / "train").glob("*.mp4"))[:19]):
        os.link(source, clips / f"{i}.mp4")
        rows.append(json.dumps({"file_name": f"{i}.mp4", "text": "a clip"}))
    for seed in range(3):  # wherever the validation split falls
        (clips / "bad.mp4").write_bytes(b"")
        (clips / "metadata.jsonl").write_text("\n".join([*rows, json.dumps({"file_name": "bad.mp4", "text": "bad"})]))
        run = train(work, f"small{seed}", f"data.train={clips}", "data.label_columns=[]", f"seed={seed}")
        reports = json.loads((run.folder / "run.json").read_text())["reports"]
        assert sum(report["num_used"] for report in reports.values()) == 19
        assert [row["file_name"] for row in reports["train"]["skipped"]] == ["bad.mp4"]


def test_long_captions_are_cut_alike_in_training_and_generation_and_counted(
    work: Path, capsys: pytest.CaptureFixture
) -> None:
    run = train(work, "cut", "data.max_caption_tokens=3", "evaluation.enabled=false")
    assert "captions have more than 3 tokens and are cut" in capsys.readouterr().out
    pipeline = VideoGenerationPipeline.from_pretrained(run.folder)
    made = [
        pipeline(text, generator=torch.Generator().manual_seed(0), output_type="pt").frames
        for text in ("a red 7 moves left", "a red 7 moves right")
    ]
    assert torch.equal(made[0], made[1])


def test_a_run_can_start_from_another_runs_model(finished: Path, work: Path) -> None:
    run = train(
        work,
        "tuned",
        f"model.pretrained={finished}",
        "training.learning_rate=0",
        "training.muon_learning_rate=0",
        "evaluation.enabled=false",
    )
    before = load_file(finished / "transformer" / "model.safetensors")
    after = load_file(run.folder / "transformer" / "model.safetensors")
    assert before.keys() == after.keys()
    for name, weight in before.items():
        torch.testing.assert_close(after[name], weight)
    own, other = (
        json.loads((f / "tokenizer" / "tokenizer.json").read_text())["model"]["vocab"] for f in (finished, run.folder)
    )
    assert own == other


def test_the_resolved_recipe_holds_the_defaults(finished: Path) -> None:
    text = (finished / "recipe.yaml").read_text()
    for key in ("ema_decay", "condition_dropout", "optimizer", "rope_theta"):
        assert f"{key}:" in text


def test_the_same_recipe_gives_the_same_model_whatever_ran_before(work: Path) -> None:
    runs = []
    for name in ("once", "again"):
        torch.rand(7 if name == "once" else 3)
        runs.append(train(work, name, "evaluation.enabled=false").folder / "transformer" / "model.safetensors")
    first, second = (load_file(path) for path in runs)
    assert all(torch.equal(weight, second[name]) for name, weight in first.items())
