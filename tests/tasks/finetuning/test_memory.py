"""The memory of a step is counted from shapes alone, and is what autograd keeps of a real one."""

import shutil

import pytest
import torch
from peft import LoraConfig
from tiny_pipelines import TINY_CLIPS, tiny_pipeline
from typer.testing import CliRunner

from heygen_hf.cli.main import app
from heygen_hf.data import render_moving_digits
from heygen_hf.models.pretrained_generators import family_of
from heygen_hf.tasks.finetuning.memory.needs import (
    GIBIBYTE,
    KeptActivations,
    MemoryNeed,
    kept_activations,
    meta_conditions,
)
from heygen_hf.tasks.recipe_planner import plan_recipe


def _counted(name: str, device: str) -> KeptActivations:
    pipeline = tiny_pipeline(name)
    transformer = pipeline.transformer.to(device)
    for weight in transformer.parameters():
        weight.data = weight.data.to(torch.bfloat16)
        weight.requires_grad_(False)
    family = family_of(type(pipeline).__name__)(pipeline)
    transformer.add_adapter(LoraConfig(r=2, target_modules=list(family.lora_targets)))
    clip = TINY_CLIPS[name]
    frames = (clip["num_frames"] - 1) // family.temporal_compression + 1
    size = clip["height"] // family.spatial_compression
    noisy = torch.zeros(2, frames, family.latent_channels, size, size, device=device)
    timestep = torch.full((2,), 0.5, device=device)
    conditions = meta_conditions(family, noisy)
    return kept_activations(transformer, lambda: family.denoise(transformer, noisy, timestep, conditions))


@pytest.mark.parametrize("name", ["wan", "wan_vace", "ltx", "cogvideox_rotary", "cogvideox_control", "hunyuan_video"])
def test_shapes_alone_tell_what_a_real_pass_keeps(name):
    weightless, real = _counted(name, "meta"), _counted(name, "cpu")
    assert sum(real.of_blocks) > 0
    assert weightless.of_blocks == pytest.approx(real.of_blocks, rel=0.05)
    assert weightless.inputs == real.inputs
    assert weightless.outside == pytest.approx(real.outside, rel=0.1)


def test_recomputation_holds_the_inputs_of_all_blocks_and_the_rest_of_one():
    kept = KeptActivations(of_blocks=[100, 300, 200], inputs=[10, 20, 30], outside=5)
    assert kept.peak("none") == 605
    assert kept.peak("blocks") == 60 + 300 + 5
    assert kept.peak("blocks, offloaded") == 300 + 5


@pytest.mark.parametrize(("gibibytes", "card"), [(5.0, 8), (6.5, 16), (200.0, None)])
def test_the_smallest_card_has_room_to_spare(gibibytes, card):
    need = MemoryNeed("adapter", "bfloat16", "blocks", gibibytes * GIBIBYTE, 0.0, 0.0)
    assert need.smallest_card == card


def test_plan_says_what_each_way_to_train_needs(tiny_pipeline_folder, tmp_path):
    clips = render_moving_digits(tmp_path / "clips", num_train=4, num_validation=2, num_test=2, num_frames=9)
    recipe = tmp_path / "recipe.yaml"
    recipe.write_text(
        f"task: finetuning\nmodel: {{pretrained: {tiny_pipeline_folder('wan')}}}\npeft: {{r: 2}}\n"
        f"data: {{train: {clips}, cache_dir: {tmp_path / 'cache'}}}\n"
        "processor: {num_frames: 9, height: 32, width: 32}\ntraining: {max_steps: 2}\n"
    )
    result = CliRunner().invoke(app, ["plan", str(recipe), "--no-step"])
    assert result.exit_code == 0, result.output
    assert "computed and not measured: 1 clips of 9x32x32" in " ".join(result.output.split())
    for words in ("adapter", "nf4", "full", "8 GiB"):
        assert words in result.output


def test_plan_without_a_step_reads_no_weights(tiny_pipeline_folder, tmp_path):
    clips = render_moving_digits(tmp_path / "clips", num_train=4, num_validation=2, num_test=2, num_frames=9)
    base = tmp_path / "base"
    shutil.copytree(tiny_pipeline_folder("wan"), base)
    for weights in base.rglob("*.safetensors"):
        weights.unlink()
    recipe = tmp_path / "recipe.yaml"
    recipe.write_text(
        f"task: finetuning\nmodel: {{pretrained: {base}}}\npeft: {{r: 2}}\n"
        f"data: {{train: {clips}, cache_dir: {tmp_path / 'cache'}}}\n"
        "processor: {num_frames: 9, height: 32, width: 32}\n"
        "training: {max_steps: 2, per_device_train_batch_size: 2, gradient_accumulation_steps: 2}\n"
    )
    found = plan_recipe(recipe, measure=False)
    assert found["batches"] | {"epochs": None} == {
        "batches_per_rank": 2,
        "steps_per_epoch": 1,
        "samples_per_step": 4,
        "max_steps": 2,
        "epochs": None,
    }
    assert found["memory"]["needs"]
