"""The layers that adapters are put on by default are there in every family's transformer."""

import pytest
from peft import LoraConfig
from sampling import family_around
from tiny_pipelines import TINY_CLIPS, tiny_pipeline

from heygen_hf.models.pretrained_generators import unmatched_targets


@pytest.mark.parametrize("name", list(TINY_CLIPS))
def test_every_default_target_is_a_layer_of_every_block(name):
    family = family_around(tiny_pipeline(name))
    transformer = family.pipeline.transformer
    assert unmatched_targets(transformer, family.lora_targets) == []
    transformer.add_adapter(LoraConfig(r=2, lora_alpha=2, target_modules=list(family.lora_targets)))
    adapted = [module for module, _ in transformer.named_modules() if module.endswith(".lora_A.default")]
    blocks = [module for module, _ in transformer.named_modules() if module.split(".")[-1].isdecimal()]
    attending = [b for b in blocks if any(name.startswith(f"{b}.attn") for name, _ in transformer.named_modules())]
    assert len(attending) >= 2
    for block in attending:
        assert any(module.startswith(f"{block}.") for module in adapted), block
    assert unmatched_targets(transformer, family.lora_targets) == []  # beside another adapter too


def test_targets_are_compared_by_whole_parts_of_a_name():
    transformer = tiny_pipeline("wan").transformer
    assert unmatched_targets(transformer, ["net.2", "ffn.net.2", "proj_out"]) == []
    assert unmatched_targets(transformer, ["patch_embedding"]) == ["patch_embedding"]  # which is no linear layer
    assert unmatched_targets(transformer, ["to_q", "q", "blocks", "o_q", "to_z", "to_out.1"]) == [
        "q",
        "blocks",
        "o_q",
        "to_z",
        "to_out.1",
    ]
