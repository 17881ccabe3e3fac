"""Families that generate beside a clip that controls: they learn from clips made of the own ones, and from files."""

import json
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from diffusers import DiffusionPipeline
from safetensors.torch import load_file
from sampled_frames import sampled
from tiny_finetunings import LORA, Finetunings

from heygen_hf.data import decode_frames, write_video
from heygen_hf.hub.gate import load_in_clean_process, promised_ways
from heygen_hf.hub.repo_folder import write_repo_folder
from heygen_hf.pipelines.control_clips import read_control
from heygen_hf.processing import VideoProcessor
from heygen_hf.processing.derived_control import derive_control
from heygen_hf.tasks import run_recipe
from heygen_hf.tasks.finetuning.loading import load_finetuned
from heygen_hf.tasks.finetuning.measuring import read_log
from heygen_hf.tasks.generation.generate import generate
from heygen_hf.tasks.publishing.pipeline_adapters import find_named_base, pipeline_adapter_job
from heygen_hf.tasks.run_folder import RunFolder, read_json

_SLOW = pytest.mark.slow
ARGUMENTS = {"wan_vace": "video", "cogvideox_control": "control_video"}
BOTH = ["wan_vace", "cogvideox_control"]
STEPS = 16


@pytest.fixture(scope="module")
def finetune(tmp_path_factory, tiny_pipeline_folder) -> Finetunings:
    return Finetunings(tmp_path_factory.mktemp("controlled"), tiny_pipeline_folder)


def edges_of(finetune: Finetunings) -> str:
    return f"data.validation={finetune.digits() / 'train'}"


@pytest.fixture(scope="module")
def derived(finetune) -> Callable[..., Path]:
    """An adapter that learned beside the edges of each clip; judged by the clips it learned from."""

    def run(family: str, *overrides: str, name: str | None = None, resume: str | None = None) -> Path:
        options = (f"peft={LORA}", "data.control=edges", edges_of(finetune), "training.learning_rate=3e-2")
        return finetune(name or family, *options, *overrides, family=family, steps=STEPS, resume=resume)

    return run


@pytest.fixture(scope="module")
def listed(finetune) -> Callable[..., Path]:
    """Writes the digits again, beside each clip the file of its blurred frames, named in `control_file_name`."""

    def write(name: str) -> Path:
        folder = finetune.work / name
        shutil.copytree(finetune.digits(), folder)
        for split in ("train", "validation", "test"):
            (folder / split / "controls").mkdir()
            lines = (folder / split / "metadata.jsonl").read_text().splitlines()
            rows = [json.loads(line) for line in lines]
            for number, row in enumerate(rows):
                row["control_file_name"] = f"controls/{number}.mp4"
                clip = decode_frames(folder / split / row["file_name"])
                blurred = derive_control(clip.frames, "blur")
                write_video(folder / split / row["control_file_name"], blurred, frame_rate=clip.frame_rate)
            write_rows(folder / split, rows)
        return folder

    return write


def rows_of(folder: Path) -> list[dict]:
    return [json.loads(line) for line in (folder / "metadata.jsonl").read_text().splitlines()]


def write_rows(folder: Path, rows: list[dict]) -> None:
    (folder / "metadata.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))


@pytest.mark.parametrize("family", BOTH)
def test_the_loss_falls_and_plain_diffusers_makes_the_reference(family, derived, tiny_pipeline_folder):
    run = derived(family)
    losses = [row["eval_loss"] for row in read_log(RunFolder(run)) if "eval_loss" in row]
    assert losses[-1] < 0.97 * losses[0]
    reference = load_file(run / "reference.safetensors")
    assert set(reference) == {"frames", ARGUMENTS[family]}
    assert decode_frames(run / "samples" / "control-00.mp4").frames.shape == reference["frames"].shape[1:]
    pipeline = DiffusionPipeline.from_pretrained(str(tiny_pipeline_folder(family)))
    before = sampled(pipeline, run)
    pipeline.load_lora_weights(str(run))
    assert torch.equal(sampled(pipeline, run), reference["frames"])
    pipeline.unload_lora_weights()
    assert torch.equal(sampled(pipeline, run), before)
    assert not torch.equal(before, reference["frames"])


@pytest.mark.parametrize("family", ["wan_vace", pytest.param("cogvideox_control", marks=_SLOW)])
def test_a_resumed_run_is_the_same(family, derived):
    whole = derived(family)
    half = whole.with_name(f"{whole.name}_resumed")
    shutil.copytree(whole, half, ignore=shutil.ignore_patterns(f"checkpoint-{STEPS}"))
    for exported in ("run.json", "README.md", "metrics.json", "base_pipeline.json"):
        (half / exported).unlink()
    derived(family, name=half.name, resume="auto")
    ours, theirs = (load_file(run / f"checkpoints/checkpoint-{STEPS}/model.safetensors") for run in (half, whole))
    assert all(torch.equal(ours[name], theirs[name]) for name in theirs)
    ours, theirs = (load_file(run / "reference.safetensors") for run in (half, whole))
    assert all(torch.equal(ours[name], theirs[name]) for name in theirs)


@pytest.mark.slow
@pytest.mark.parametrize("family", BOTH)
def test_a_whole_transformer_is_exported_as_a_pipeline(family, finetune):
    run = finetune(f"{family}_full", "data.control=grey", family=family)
    pipeline = DiffusionPipeline.from_pretrained(str(run))
    assert torch.equal(sampled(pipeline, run), load_file(run / "reference.safetensors")["frames"])


def test_a_finished_run_generates_beside_a_file(derived, finetune, tmp_path):
    run = derived("wan_vace")
    control = tmp_path / "control.mp4"
    frames = derive_control(decode_frames(next((finetune.digits() / "test").glob("*.mp4"))).frames, "edges")
    write_video(control, frames, frame_rate=8, lossless=True)
    (made,) = generate(run, ["a red 3 moves up"], video=[control], output_dir=tmp_path / "made", device="cpu")
    assert decode_frames(made).frames.shape == (9, 3, 32, 32)
    pipeline = load_finetuned(run)
    generator = [torch.Generator().manual_seed(0)]
    shown = [pipeline("a", generator=generator, video=one).frames for one in (frames, 255 - frames)]
    assert not torch.equal(*shown)
    with pytest.raises(ValueError, match="wan_vace generates beside a clip that controls: give video"):
        pipeline("a")
    with pytest.raises(ValueError, match="controls has 5 frames and the video 9: give one of as many"):
        pipeline("a", video=frames[:5])
    with pytest.raises(ValueError, match="1 clips that control were given for 2 prompts; give one each"):
        pipeline(["a", "b"], video=frames)


def test_what_controls_is_read_in_any_form():
    frames = torch.randint(0, 256, (9, 3, 48, 40), dtype=torch.uint8)
    processor = VideoProcessor(num_frames=9, height=8, width=8)
    size = {"num_frames": 5, "height": 32, "width": 32}
    read = read_control(frames, processor, **size)
    assert read.shape == (5, 3, 32, 32)
    assert torch.equal(read, read_control(frames.permute(0, 2, 3, 1).numpy(), processor, **size))
    assert torch.equal(read, read_control(frames.float() / 255, processor, **size))
    right = torch.rand(5, 3, 32, 32)
    assert torch.equal(read_control(right, processor, **size), right)


def test_files_beside_the_clips_control_them(listed, finetune, capsys):
    folder = listed("listed")
    rows = rows_of(folder / "train")
    rows[1]["control_file_name"] = "../validation/controls/0.mp4"
    write_rows(folder / "train", rows)
    run = finetune(
        "listed_run",
        *(f"peft={LORA}", "data.control_column=control_file_name", "data.max_bad_share=0.3"),
        *(f"data.train={folder / 'train'}", f"data.validation={folder / 'validation'}"),
        'generation.sample_prompts=["a green 7"]',
        family="cogvideox_control",
    )
    said = capsys.readouterr().out
    assert "train: 1 of 5 clips are left out for their control_file_name: '00001.mp4': its control: its row" in said
    assert read_log(RunFolder(run))[-1]["step"] == 2
    assert read_json(run / "reference.json")["prompt"] == "a green 7"
    control = load_file(run / "reference.safetensors")["control_video"]
    file = rows_of(folder / "validation")[0]["control_file_name"]
    assert torch.equal(control, decode_frames(folder / "validation" / file).frames.float() / 255)
    report = read_json(RunFolder(run).facts)["reports"]["train"]
    assert (report["num_used"], [name for name, *_ in map(dict.values, report["skipped"])]) == (4, ["00001.mp4"])
    (warning,) = report["warnings"]  # the files that control are no clips without a row, but for the one not named
    assert warning.startswith("1 clips have no row")
    assert warning.endswith("'controls/1.mp4'")


@pytest.mark.parametrize(
    ("family", "overrides", "message"),
    [
        ("wan", ["data.control=edges"], "wan takes no clips that control others: leave data.control out"),
        ("wan", ["data.control_column=c"], "wan takes no clips that control others: leave data.control_column out"),
        ("wan_vace", [], "wan_vace is trained with a clip that controls each clip: name their column"),
        ("wan_vace", ["data.control=depth"], "control must be one of edges, blur, grey, low_resolution, masked"),
        ("wan_vace", ["data.control=blur", "data.control_column=c"], "control and control_column are both set"),
        ("wan_vace", ["data.control_column=c"], "has no column 'c'; it has .*: set data.control_column"),
    ],
)
def test_control_that_cannot_be_is_one_clear_line(family, overrides, message, finetune):
    with pytest.raises(ValueError, match=message) as raised:
        finetune(f"refused_{family}", *overrides, family=family)
    assert "\n" not in str(raised.value)


def test_files_of_another_length_are_one_clear_line(listed, finetune):
    folder = listed("short")
    for number, row in enumerate(rows_of(folder / "train")):
        if number < 2:
            write_video(folder / "train" / row["control_file_name"], torch.zeros(7, 3, 32, 32, dtype=torch.uint8))
    with pytest.raises(ValueError, match=r"2 of 5 clips cannot be used for their control_file_name \('0") as raised:
        finetune(
            "short_run",
            *("data.control_column=control_file_name", f"data.train={folder}", "data.validation=null"),
            family="wan_vace",
        )
    assert "its control: it has 7 frames, and the clip 9" in str(raised.value)
    assert "\n" not in str(raised.value)


@pytest.mark.slow
@pytest.mark.parametrize("family", BOTH)
def test_the_gate_makes_its_frames_where_this_package_cannot_be_imported(family, derived, tmp_path):
    run = derived(family)
    exported, base = find_named_base(run, write_repo_folder(run, tmp_path / "r", repo_id="me/edges"), "me/tiny")
    checks = load_in_clean_process(exported, promised_ways(exported), extra=pipeline_adapter_job(base))
    assert [check.problem for check in checks] == [None]
    assert checks[0].name.endswith("without heygen_hf")
    card = (run / "README.md").read_text()
    assert f'{ARGUMENTS[family]}=load_video("' in card
    assert "| control | edges, made of each clip |" in card


@pytest.mark.slow
@pytest.mark.parametrize("recipe", ["wan_vace_lora", "cogvideox_control_lora"])
def test_the_recipes_name_what_controls(recipe, finetune, tiny_pipeline_folder, tmp_path):
    """Whole but for their sizes, on a tiny pipeline: a step, and a video."""
    recipes = Path(__file__).resolve().parents[3] / "recipes" / "finetune"
    overrides = [
        *(f"output_dir={tmp_path / 'run'}", f"model.pretrained={tiny_pipeline_folder(recipe.removesuffix('_lora'))}"),
        *(f"data.train={finetune.digits() / 'train'}", f"data.cache_dir={finetune.work / 'cache'}"),
        *("processor.num_frames=9", "processor.height=32", "processor.width=32", "training.max_steps=1"),
        *("generation.num_inference_steps=2", "generation.num_samples=1", "training.disable_tqdm=true"),
        "model.tiled_encoding=false",  # tiles of a tiny autoencoder would be smaller than its kernels
    ]
    run_recipe(recipes / f"{recipe}.yaml", overrides)
    assert (tmp_path / "run" / "samples" / "after-00.mp4").is_file()
