"""Recipes on data as people have it: planned, in several sizes, streamed, augmented, hostile."""

import json
from pathlib import Path

import pytest
import torch
from typer.testing import CliRunner

from heygen_hf.cli.main import app
from heygen_hf.data import export_to_parquet, load_video_dataset, write_video
from heygen_hf.tasks import run_recipe
from heygen_hf.tasks.plan_table import printable, summary_lines
from heygen_hf.tasks.recipe_planner import plan_recipe

RECIPE = Path(__file__).parents[2] / "recipes" / "text_to_video" / "video_folder.yaml"
TINY = [
    "model.hidden_size=32",
    "model.num_hidden_layers=1",
    "model.num_attention_heads=1",
    "model.patch_size=[2,8,8]",
    "processor.num_frames=4",
    "processor.height=16",
    "processor.width=16",
    "training.max_steps=3",
    "training.per_device_train_batch_size=4",
    "training.logging_steps=1",
    "training.save_steps=3",
    "training.eval_steps=3",
    "training.sample_steps=0",
    "training.compile_blocks=never",
    "training.disable_tqdm=true",
    "generation.num_inference_steps=2",
    "generation.num_samples=1",
    "data.max_bad_share=0.5",
]


def clip(seed: int, frames: int = 8, height: int = 24, width: int = 24) -> torch.Tensor:
    generator = torch.Generator().manual_seed(seed)
    return torch.randint(0, 256, (frames, 3, height, width), dtype=torch.uint8, generator=generator)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Ten good clips of three shapes (one too short, one a copy, one with an awkward name) and four bad rows."""
    clips = tmp_path / "clips"
    clips.mkdir()
    rows = []
    for number in range(8):
        name = f"{number}.mp4" if number else "a 'good'\n{name}.mp4"
        shape = {"height": 16, "width": 32} if number % 2 else {}
        write_video(clips / name, clip(number, frames=3 if number == 7 else 8, **shape))
        rows.append({"file_name": name, "text": f"number {number}" if number != 3 else ""})
    (clips / "copy.mp4").write_bytes((clips / "1.mp4").read_bytes())
    write_video(clips / "tiny.mp4", clip(9, height=8, width=8))
    (clips / "empty.mp4").write_bytes(b"")
    (clips / "text.mp4").write_text("not a video")
    rows += [{"file_name": name, "text": "word " * 40} for name in ("copy.mp4", "tiny.mp4")]
    bad = ("empty.mp4", "text.mp4", "gone.mp4", "../../etc/passwd")
    rows += [{"file_name": name, "text": "bad"} for name in bad]
    (clips / "metadata.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
    return clips


def overrides(folder: Path, *more: str) -> list[str]:
    root = folder.parent
    return [*TINY, f"data.train={folder}", f"data.cache_dir={root / 'cache'}", f"output_dir={root / 'run'}", *more]


BUCKETS = ["data.buckets=[[4,16,16],[4,16,32],[2,16,32]]", "training.tokens_per_batch=16"]


def test_a_plan_says_what_happens_to_every_file(folder: Path) -> None:
    plan = plan_recipe(RECIPE, overrides(folder, *BUCKETS, "data.max_caption_tokens=8"))
    clips = {entry["file_name"]: entry for entry in plan["clips"]}
    assert len(plan["clips"]) == 14

    out = {name: entry["problem"] for name, entry in clips.items() if entry["problem"] is not None}
    assert set(out) == {"tiny.mp4", "empty.mp4", "text.mp4", "gone.mp4", "../../etc/passwd"}
    assert "too small: 8x8" in out["tiny.mp4"]
    assert "does not exist" in out["gone.mp4"]

    square, wide, short = clips["2.mp4"], clips["1.mp4"], clips["7.mp4"]
    assert (square["bucket"], square["crop"], square["height"]) == ("4x16x16", (0, 0, 24, 24), 24)
    assert (wide["bucket"], wide["frames_kept"], wide["codec"]) == ("4x16x32", "4 from 0 … 4", "h264")
    assert (short["bucket"], short["frames"], short["padded_frames"]) == ("2x16x32", 3, 0)
    assert clips["copy.mp4"]["copy_of"] == "1.mp4"
    assert clips["copy.mp4"]["caption_tokens_lost"] == 32
    assert {entry["split"] for entry in plan["clips"]} == {"train", "validation"}

    totals, batches, step = plan["totals"], plan["batches"], plan["step"]
    assert (totals["rows"], totals["used"], totals["set_apart"], totals["out"]) == (14, 8, 1, 5)
    assert totals["captions_empty"] == sum(e["split"] == "train" for n, e in clips.items() if n == "3.mp4")
    sizes = {"4x16x16": 2, "4x16x32": 1, "2x16x32": 2}  # of 16 tokens: 8, 16 and 8 a clip
    expected = sum(-(-count // sizes[name]) for name, count in totals["per_bucket"].items())
    assert batches["batches_per_rank"] == batches["steps_per_epoch"] == expected
    assert step["step_seconds"] > 0
    assert step["peak_memory_mebibytes"] > 0
    text = "\n".join(summary_lines(plan))
    assert "8 of 14 rows are used and 1 set apart for validation, 5 are out" in text
    assert "REFUSE" not in text
    assert not (folder.parent / "run").exists()


def test_the_plan_command_prints_a_table_and_writes_json(folder: Path) -> None:
    written = folder.parent / "plan.json"
    command = ["plan", str(RECIPE), *overrides(folder, "data.max_bad_share=0.1"), "--no-step", "--json", str(written)]
    result = CliRunner().invoke(app, command, catch_exceptions=False)
    assert result.exit_code == 0, result.output
    plan = json.loads(written.read_text(encoding="utf-8"))
    assert plan["step"] is None
    assert len(plan["clips"]) == 14
    assert "the run would REFUSE to start" in result.output
    assert "OUT" in result.output
    assert printable("a\nb\x1b") == "a\\nb\\x1b"


def test_nothing_usable_is_an_error_of_the_plan(tmp_path: Path) -> None:
    (tmp_path / "clips").mkdir()
    (tmp_path / "clips" / "0.mp4").write_bytes(b"")
    with pytest.raises(ValueError, match="1 of 1 clips cannot be used"):
        plan_recipe(RECIPE, overrides(tmp_path / "clips"))


def test_training_on_several_sizes_uses_every_good_clip(folder: Path) -> None:
    run = run_recipe(RECIPE, overrides(folder, *BUCKETS))
    facts = json.loads((run.folder / "run.json").read_text())
    report = facts["reports"]["train"]
    assert sum(report["num_per_bucket"].values()) == report["num_used"] + report["num_set_apart"] == 9
    assert {entry["file_name"] for entry in report["skipped"]} >= {"tiny.mp4", "../../etc/passwd"}
    log = [json.loads(line) for line in (run.folder / "log.jsonl").read_text().splitlines()]
    assert any("padding_share" in entry for entry in log)
    assert any("eval_loss" in entry for entry in log)


def test_streamed_parquet_trains_and_augments(folder: Path) -> None:
    (folder / "metadata.jsonl").write_text(
        "".join(json.dumps({"file_name": f"{n}.mp4", "text": f"number {n}"}) + "\n" for n in range(1, 7))
    )
    shards = folder.parent / "shards"
    report = export_to_parquet(load_video_dataset(folder), shards, rows_per_shard=2)
    assert report.num_rows == 6
    augmentation = ["data.augmentation.horizontal_flip_prob=0.5", "data.augmentation.reverse_prob=0.5"]
    run = run_recipe(
        RECIPE,
        [
            *overrides(folder),
            f"data.train={shards}/*.parquet",
            "data.streaming=true",
            "data.num_workers=1",
            *augmentation,
        ],
    )
    facts = json.loads((run.folder / "run.json").read_text())
    assert facts["steps"] == 3
    assert (run.folder / "model_index.json").is_file()


def test_buckets_and_streaming_exclude_each_other(folder: Path) -> None:
    with pytest.raises(ValueError, match="streaming knows no clip's size beforehand"):
        run_recipe(RECIPE, overrides(folder, *BUCKETS, "data.streaming=true"))


def test_sources_that_share_file_names_lose_no_good_clip(tmp_path: Path) -> None:
    for source, extra in (("a", {}), ("b", {"scene": "day"})):
        (tmp_path / source).mkdir()
        for number in range(4):
            write_video(tmp_path / source / f"{number}.mp4", clip(number + 10 * (source == "b")))
        rows = [{"file_name": f"{number}.mp4", "text": "x", "scene": "night"} | extra for number in range(4)]
        if source == "a":
            rows = [{key: value for key, value in row.items() if key != "scene"} for row in rows]
        text = "".join(json.dumps(row) + "\n" for row in rows)
        (tmp_path / source / "metadata.jsonl").write_text(text)
    (tmp_path / "a" / "0.mp4").write_bytes(b"broken")
    sources = f"data.train=[{tmp_path / 'a'}, {tmp_path / 'b'}]"
    plan = plan_recipe(RECIPE, [*overrides(tmp_path / "a"), sources], measure=False)
    assert (plan["totals"]["rows"], plan["totals"]["used"] + plan["totals"]["set_apart"]) == (8, 7)
    named = [*overrides(tmp_path / "a"), sources, "data.label_columns=[scene]"]
    with pytest.raises(ValueError, match="scene"):
        plan_recipe(RECIPE, named, measure=False)
    assert (
        plan_recipe(RECIPE, [*named, "data.missing_columns=none", "evaluation.enabled=false"], measure=False)["totals"][
            "rows"
        ]
        == 8
    )
