"""Recipes of recipes/finetune on tiny pipelines of their families: they learn, resume, and load in plain diffusers."""

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from diffusers import DiffusionPipeline
from safetensors.torch import load_file
from sampled_frames import FAMILIES, sampled
from tiny_pipelines import TINY_CLIPS

from heygen_hf.data import render_moving_digits
from heygen_hf.tasks import run_recipe

RECIPES = Path(__file__).resolve().parents[3] / "recipes" / "finetune"

# Of every family an adapter in the quick tests; whole transformers and resumed runs of most of them take longer.
_SLOW = pytest.mark.slow
BOTH_KINDS = [(family, "lora") for family in FAMILIES] + [
    pytest.param(family, "full", marks=() if family == "wan" else _SLOW) for family in FAMILIES
]
RESUMED = [
    pytest.param(family, kind, marks=() if (family, kind) in {("wan", "full"), ("cogvideox", "lora")} else _SLOW)
    for family in FAMILIES
    for kind in ("lora", "full")
]
WHOLE = [pytest.param(family, marks=() if family == "wan" else _SLOW) for family in FAMILIES]
# CogVideoX with a first frame is CogVideoX and Wan's first frame: all of its tests are slow ones.
_FIRST_FRAME = "cogvideox_image_to_video"
BOTH_KINDS += [pytest.param(_FIRST_FRAME, kind, marks=_SLOW) for kind in ("lora", "full")]
RESUMED += [pytest.param(_FIRST_FRAME, kind, marks=_SLOW) for kind in ("lora", "full")]
WHOLE += [pytest.param(_FIRST_FRAME, marks=_SLOW)]
ADAPTERS = [*FAMILIES, pytest.param(_FIRST_FRAME, marks=_SLOW)]
STEPS = 24


@pytest.fixture(scope="module")
def clips(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("clips")
    return render_moving_digits(folder / "clips", num_train=4, num_validation=2, num_test=2, num_frames=9)


@pytest.fixture(scope="module")
def train(
    clips: Path, tmp_path_factory: pytest.TempPathFactory, tiny_pipeline_folder: Callable[[str], Path]
) -> Callable[..., Path]:
    """Trains a family's recipe on its own training clips, and gives the run's folder; each once."""
    work, finished = tmp_path_factory.mktemp("runs"), set()

    def run(family: str, kind: str, *overrides: str, name: str | None = None, resume: str | None = None) -> Path:
        folder = work / (name or f"{family}_{kind}")
        if folder in finished and resume is None:
            return folder
        sizes = TINY_CLIPS[family]
        run_recipe(
            RECIPES / f"{family}_{kind}.yaml",
            [
                f"output_dir={folder}",
                f"model.pretrained={tiny_pipeline_folder(family)}",
                f"data.train={clips / 'train'}",
                f"data.validation={clips / 'train'}",
                f"data.cache_dir={work / 'cache'}",
                "data.cache.dtype=float32",
                *(f"processor.{key}={value}" for key, value in sizes.items()),
                "processor.target_fps=null",
                "processor.frame_position=start",
                "model.dtype=float32",
                "model.tiled_encoding=false",  # tiles of a tiny autoencoder would be smaller than its kernels
                *(("peft.r=8", "training.learning_rate=3e-2") if kind == "lora" else ("training.learning_rate=3e-3",)),
                f"training.max_steps={STEPS}",
                "training.warmup_steps=0",
                "training.precision=fp32",
                "training.per_device_train_batch_size=2",
                "training.gradient_accumulation_steps=1",
                f"training.eval_steps={STEPS}",
                f"training.save_steps={STEPS // 2}",
                "training.logging_steps=1",
                "training.disable_tqdm=true",
                "generation.num_inference_steps=2",
                "generation.num_samples=1",
                *overrides,
            ],
            resume=resume,
        )
        finished.add(folder)
        return folder

    return run


def log_of(run: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in (run / "log.jsonl").read_text().splitlines()]


@pytest.mark.parametrize(("family", "kind"), BOTH_KINDS)
def test_the_loss_on_the_training_clips_falls(family, kind, train):
    losses = [line["eval_loss"] for line in log_of(train(family, kind)) if "eval_loss" in line]
    assert losses[-1] < 0.97 * losses[0]


@pytest.mark.parametrize("family", ADAPTERS)
def test_plain_diffusers_loads_the_adapter_and_lets_go_of_it(family, train, tiny_pipeline_folder):
    run = train(family, "lora")
    pipeline = DiffusionPipeline.from_pretrained(str(tiny_pipeline_folder(family)))
    before = sampled(pipeline, run)
    pipeline.load_lora_weights(str(run))
    reference = load_file(run / "reference.safetensors")["frames"]
    assert torch.equal(sampled(pipeline, run), reference)
    pipeline.unload_lora_weights()
    after = sampled(pipeline, run)
    assert torch.equal(after, before)
    assert not torch.equal(after, reference)


@pytest.mark.parametrize("family", WHOLE)
def test_plain_diffusers_loads_the_whole_pipeline(family, train):
    run = train(family, "full")
    pipeline = DiffusionPipeline.from_pretrained(str(run))
    assert torch.equal(sampled(pipeline, run), load_file(run / "reference.safetensors")["frames"])


@pytest.mark.parametrize(("family", "kind"), RESUMED)
def test_a_resumed_run_is_the_same(family, kind, train):
    whole = train(family, kind)
    half = whole.with_name(f"{whole.name}_resumed")
    shutil.copytree(whole, half, ignore=shutil.ignore_patterns(f"checkpoint-{STEPS}", "*.safetensors.index.json"))
    for exported in ("run.json", "README.md", "metrics.json", "base_pipeline.json", "model_index.json"):
        (half / exported).unlink(missing_ok=True)
    train(family, kind, name=half.name, resume="auto")
    name = f"checkpoints/checkpoint-{STEPS}/model.safetensors"
    ours, theirs = load_file(half / name), load_file(whole / name)
    assert ours.keys() == theirs.keys()
    assert all(torch.equal(ours[key], theirs[key]) for key in ours)
    reference = load_file(whole / "reference.safetensors")["frames"]
    assert torch.equal(load_file(half / "reference.safetensors")["frames"], reference)


def test_a_checkpoint_of_an_adapter_holds_the_adapter_alone(train):
    names = load_file(train("wan", "lora") / f"checkpoints/checkpoint-{STEPS}/model.safetensors")
    assert names
    assert all("lora_" in name for name in names)


def test_blocks_that_wait_on_the_cpu_change_nothing(train):
    plain = train("wan", "lora")
    waiting = train("wan", "lora", "training.offload_blocks=true", name="wan_lora_offloaded")
    ours, theirs = (load_file(run / "pytorch_lora_weights.safetensors") for run in (waiting, plain))
    assert all(torch.equal(ours[key], theirs[key]) for key in theirs)
    reference = load_file(plain / "reference.safetensors")["frames"]
    assert torch.equal(load_file(waiting / "reference.safetensors")["frames"], reference)


def test_blocks_may_wait_while_a_second_adapter_keeps_clear_of_the_first(train):
    first = train("wan", "lora")
    more = ("peft.orthogonal=true", "training.offload_blocks=true", "training.max_steps=2", "training.eval_steps=2")
    run = train("wan", "lora", f"peft.previous=[{first}]", *more, name="wan_second_offloaded")
    assert len(load_file(run / "pytorch_lora_weights.safetensors")) == len(
        load_file(first / "pytorch_lora_weights.safetensors")
    )


def test_a_single_clip_is_trained_on_without_a_validation_loss(train, tmp_path):
    clip = render_moving_digits(tmp_path / "clips", num_train=1, num_validation=1, num_test=1, num_frames=9) / "train"
    steps = ("training.max_steps=2", "training.save_steps=2")
    run = train("wan", "lora", f"data.train={clip}", "data.validation=null", *steps, name="wan_single_clip")
    assert (run / "pytorch_lora_weights.safetensors").is_file()
    assert not any("eval_loss" in line for line in log_of(run))


def test_clips_that_are_not_there_are_missed_before_the_base_is(train):
    with pytest.raises(ValueError, match="path/to/my_clips"):
        train("wan", "lora", "data.train=path/to/my_clips", "model.pretrained=nobody/nothing", name="wan_no_clips")
