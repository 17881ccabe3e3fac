"""What a recipe says of its clips reaches the transformer and the plan: their rate, and the largest of their sizes."""

import pytest
import torch

from heygen_hf.data.buckets import Bucket
from heygen_hf.tasks.finetuning.memory.plan import largest_clip
from heygen_hf.tasks.finetuning.task import Finetuning
from heygen_hf.tasks.recipe import load_recipe


@pytest.fixture
def recipe_of(tiny_pipeline_folder, tmp_path):
    def load(family: str, *overrides: str):
        path = tmp_path / "recipe.yaml"
        path.write_text(
            f"task: finetuning\nmodel: {{pretrained: {tiny_pipeline_folder(family)}}}\ndata: {{train: clips}}\n"
            "processor: {num_frames: 9, height: 32, width: 32}\n"
        )
        return load_recipe(path, overrides)

    return load


@pytest.mark.parametrize("rate", [10.0, 50.0])
def test_ltx_is_told_the_rate_of_the_clips_in_training(rate, recipe_of):
    family = Finetuning(recipe_of("ltx", f"generation.frame_rate={rate}")).family
    conditions = {"encoder_hidden_states": torch.zeros(1, 4, 8), "attention_mask": torch.ones(1, 4)}
    noisy = torch.zeros(1, 2, family.latent_channels, 2, 2)
    inputs = family.transformer_inputs(noisy, torch.tensor([0.5]), conditions)
    assert inputs["rope_interpolation_scale"][0] == family.temporal_compression / rate


def test_the_largest_clip_is_of_the_processor_or_of_the_bucket_with_the_most_pixels(recipe_of):
    assert largest_clip(recipe_of("wan")) == Bucket(9, 32, 32)
    recipe = recipe_of("wan", "data.buckets=[[9, 32, 32], [17, 32, 48], [5, 64, 48]]")
    assert largest_clip(recipe) == Bucket(17, 32, 48)
