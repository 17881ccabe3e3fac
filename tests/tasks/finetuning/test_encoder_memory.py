"""What keeps the encoders of large clips in memory: tiles, one clip at a time, and fewer bits."""

import json
from pathlib import Path

import pytest
import torch

from heygen_hf.hub.gate.loading_program import Check
from heygen_hf.tasks.finetuning.base.pipeline import find_base, load_family
from heygen_hf.tasks.finetuning.clips.encoders import family_encoders
from heygen_hf.tasks.finetuning.loading import load_finetuned
from heygen_hf.tasks.recipe import load_recipe

RECIPES = Path(__file__).resolve().parents[3] / "recipes" / "finetune"
LARGE = ("hunyuan_video", "mochi", "cogvideox", "cogvideox_image_to_video", "cogvideox_control")


@pytest.fixture
def load(tiny_pipeline_folder):
    def run(**section):
        base = find_base({"pretrained": str(tiny_pipeline_folder("wan"))})
        return load_family(base, {"dtype": "float32", **section}, adapts=True)

    return run


@pytest.mark.parametrize("path", sorted(RECIPES.glob("*.yaml")), ids=lambda path: path.stem)
def test_every_recipe_encodes_a_clip_at_a_time_and_large_ones_in_tiles(path):
    recipe = load_recipe(path, [])
    assert recipe.data.cache.batch_size == 1
    tiled = path.stem.removesuffix("_lora").removesuffix("_full") in LARGE
    assert recipe.model.get("tiled_encoding", False) is tiled


def test_tiles_are_of_the_pipelines_own_autoencoder_and_have_a_cache_of_their_own(load):
    whole, tiled = load(), load(tiled_encoding=True)
    assert (whole.pipeline.vae.use_tiling, tiled.pipeline.vae.use_tiling) == (False, True)
    settings = [family_encoders(family, geometry=None).frame_settings() for family in (whole, tiled)]
    assert settings[1].pop("tiled") is True
    assert settings[0] == settings[1]


@pytest.mark.parametrize("tiled", [True, False])
def test_what_was_decoded_in_tiles_is_so_again(tiled, export, tiny_pipeline_folder):
    run, base = export("wan", tiled=tiled), str(tiny_pipeline_folder("wan"))
    assert load_finetuned(run).vae.use_tiling is tiled
    said = json.loads((run / "reference.json").read_text())
    job = {"source": str(run), "revision": None, "base": base}
    check = Check({**job, "reference": str(run / "reference.safetensors"), "reference_values": said})
    assert check._plain_pipeline("WanPipeline", base).vae.use_tiling is tiled
    assert check.way_pipeline_adapter("WanPipeline", trusts=False) is None


def test_encoders_are_held_in_the_data_type_that_is_asked_for_and_the_transformer_in_its_own(load):
    as_saved, narrow = load(), load(encoder_dtype="bfloat16")
    assert {as_saved.pipeline.vae.dtype, as_saved.pipeline.text_encoder.dtype} == {torch.float32}
    assert {narrow.pipeline.vae.dtype, narrow.pipeline.text_encoder.dtype} == {torch.bfloat16}
    assert {as_saved.pipeline.transformer.dtype, narrow.pipeline.transformer.dtype} == {torch.float32}
