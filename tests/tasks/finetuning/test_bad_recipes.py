"""Recipes that cannot work are refused in one line before anything is loaded."""

import re
import shutil
from pathlib import Path

import pytest
import yaml

from heygen_hf.tasks.finetuning import check_recipe
from heygen_hf.tasks.recipe import load_recipe


@pytest.fixture
def check(tiny_pipeline_folder, tmp_path):
    def run(family: str = "wan", *overrides: str, base: Path | None = None) -> None:
        recipe = tmp_path / "recipe.yaml"
        values = {
            "task": "finetuning",
            "output_dir": str(tmp_path / "run"),
            "model": {"pretrained": str(base or tiny_pipeline_folder(family))},
            "data": {"train": "clips"},
            "processor": {"num_frames": 9, "height": 32, "width": 32},
            "peft": {"r": 4},
        }
        recipe.write_text(yaml.safe_dump(values))
        check_recipe(load_recipe(recipe, overrides))

    return run


def test_a_recipe_that_can_work_passes(check):
    check()
    check("wan", "processor.target_fps=24", "generation.num_inference_steps=1")  # which is not told of it
    check("ltx", "processor.target_fps=24", "generation.frame_rate=24")


@pytest.mark.parametrize(
    ("family", "overrides", "said"),
    [
        ("wan", ["processor.height=36"], r"processor height=36 does not fit.* nearest that work are 32 and 48"),
        ("wan", ["processor.num_frames=10"], r"processor num_frames=10 does not fit.* nearest that work are 9 and 13"),
        ("cogvideox", ["peft.comfyui=true"], "cogvideox has no layout of names that ComfyUI and diffusers both read"),
        ("wan", ["peft.comfyui=true", "peft.method=dora"], "peft.comfyui=true is for peft.method=lora"),
        ("wan", ["model.revision=v1"], "model.revision=v1 is for a Hub name, and model.pretrained="),
        (
            "wan",
            ["hub.push_to_hub=true", "hub.repo_id=user/lora", "hub.license=mit"],
            "hub.push_to_hub publishes an adapter, and its base",
        ),
        ("wan", ["model.condition_dropout=2"], r"model\.condition_dropout must lie in \[0, 1\), got 2"),
        ("wan", ["model.condition_dropout=1.0"], r"model\.condition_dropout must lie in \[0, 1\), got 1\.0"),
        ("wan", ["model.timestep_shift=-1"], r"model\.timestep_shift must be above 0, got -1"),
        ("wan", ["training.optimizer=muon"], r"training\.optimizer=muon is for whole transformers"),
        (
            "wan",
            ["peft.target_modules=[to_q, to_z]"],
            r"peft\.target_modules: to_z matches no layer of Wan",
        ),
        ("ltx", ["processor.target_fps=24"], r"generation\.frame_rate=16 is what ltx is told .*target_fps=24"),
        ("ltx", ["generation.num_inference_steps=1"], r"generation\.num_inference_steps=1: ltx .* at least 2"),
        ("mochi", ["generation.num_inference_steps=1"], r"generation\.num_inference_steps=1: mochi .* at least 2"),
    ],
    ids=[
        *("height", "frames", "comfyui family", "comfyui dora", "revision of a folder", "unnamed base"),
        *("dropout", "all dropped", "shift", "muon", "targets", "frame rate", "steps of ltx", "steps of mochi"),
    ],
)
def test_what_cannot_work_is_refused(family, overrides, said, check):
    with pytest.raises(ValueError, match=said) as raised:
        check(family, *overrides)
    assert "\n" not in str(raised.value)


def test_a_folder_that_is_not_there_is_refused(check, tmp_path):
    with pytest.raises(ValueError, match=re.escape(f"no pipeline loads from model.pretrained={tmp_path / 'gone'}")):
        check(base=tmp_path / "gone")


def test_a_transformer_alone_is_no_pipeline(check, tiny_pipeline_folder, tmp_path):
    alone = Path(shutil.copytree(tiny_pipeline_folder("wan") / "transformer", tmp_path / "transformer"))
    with pytest.raises(ValueError, match=r"is no pipeline of diffusers .* name the whole pipeline"):
        check(base=alone)
