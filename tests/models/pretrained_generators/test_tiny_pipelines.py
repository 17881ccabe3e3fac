"""The pipelines that other tests fine-tune are ones that diffusers loads and runs."""

import pytest
import torch
from diffusers import DiffusionPipeline
from tiny_pipelines import TINY_CLIPS, tiny_pipeline


@pytest.mark.parametrize("family", list(TINY_CLIPS))
def test_it_is_loaded_from_its_folder_with_the_weights_it_was_built_with(family, tiny_pipeline_folder):
    folder = tiny_pipeline_folder(family)
    loaded, built = DiffusionPipeline.from_pretrained(folder), tiny_pipeline(family)
    assert type(loaded) is type(built)
    assert not list(folder.rglob("*.bin"))
    for name in ("transformer", "vae", "text_encoder"):
        ours, theirs = getattr(built, name).state_dict(), getattr(loaded, name).state_dict()
        assert ours.keys() == theirs.keys()
        assert all(torch.equal(ours[key], theirs[key]) for key in ours), name
    long = "a red ball! " * 3
    assert loaded.tokenizer(long)["input_ids"] == built.tokenizer(long)["input_ids"]
