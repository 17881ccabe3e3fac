"""Weights that are away when their block does not compute; the same gradients."""

import pytest
import torch
from peft import LoraConfig
from tiny_pipelines import tiny_pipeline
from torch import nn
from torch.utils.checkpoint import checkpoint

from heygen_hf.models.pretrained_generators import family_of
from heygen_hf.tasks.finetuning.memory.needs import meta_conditions
from heygen_hf.training.optimization.block_offloading import BlockOffloading

INPUTS = {
    "hidden_states": (1, 16, 3, 4, 4),
    "encoder_hidden_states": (1, 8, 32),
}


def _adapted() -> nn.Module:
    transformer = tiny_pipeline("wan").transformer
    transformer.requires_grad_(False)
    torch.manual_seed(0)
    transformer.add_adapter(LoraConfig(r=2, target_modules=["to_q", "to_v"]))
    for name, weight in transformer.named_parameters():
        if "lora_B" in name:
            nn.init.normal_(weight, std=0.1)
    transformer.enable_gradient_checkpointing(
        lambda block, *args: checkpoint(block.__call__, *args, use_reentrant=False)
    )
    return transformer.train()


def _inputs() -> dict[str, torch.Tensor]:
    generator = torch.Generator().manual_seed(1)
    drawn = {name: torch.randn(shape, generator=generator) for name, shape in INPUTS.items()}
    return drawn | {"timestep": torch.tensor([300.0])}


def _gradients(transformer: nn.Module) -> dict[str, torch.Tensor]:
    transformer.zero_grad()
    transformer(**_inputs()).sample.square().mean().backward()
    return {name: weight.grad for name, weight in transformer.named_parameters() if weight.requires_grad}


def _frozen(block: nn.Module) -> list[nn.Parameter]:
    return [weight for weight in block.parameters() if not weight.requires_grad]


def test_gradients_are_those_of_a_model_that_is_there():
    plain, offloaded = _adapted(), _adapted()
    BlockOffloading(offloaded)
    theirs, ours = _gradients(plain), _gradients(offloaded)
    assert ours.keys() == theirs.keys()
    assert all(torch.equal(ours[name], theirs[name]) for name in ours)
    # and once more, as training does
    assert all(torch.equal(value, theirs[name]) for name, value in _gradients(offloaded).items())


@pytest.mark.parametrize("family", ["cogvideox", "hunyuan_video", "ltx", "mochi"])
def test_every_familys_blocks_may_wait(family):
    pipeline = tiny_pipeline(family)
    transformer = pipeline.transformer.requires_grad_(False)
    generator = family_of(type(pipeline).__name__)(pipeline)
    transformer.add_adapter(LoraConfig(r=2, target_modules=list(generator.lora_targets)))
    transformer.enable_gradient_checkpointing(
        lambda block, *args: checkpoint(block.__call__, *args, use_reentrant=False)
    )
    noisy = torch.randn(1, 2, generator.latent_channels, 4, 4)
    conditions = {name: value.float() for name, value in meta_conditions(generator, noisy).items()}
    found = []
    for _ in range(2):  # as it is, then with blocks that wait
        transformer.zero_grad()
        generator.denoise(transformer, noisy, torch.tensor([0.5]), conditions).square().mean().backward()
        found.append([weight.grad.clone() for weight in transformer.parameters() if weight.requires_grad])
        if len(found) == 1:
            BlockOffloading(transformer)
    assert all(torch.equal(before, after) for before, after in zip(*found, strict=True))


def test_no_more_than_one_block_is_there_at_a_time():
    transformer = _adapted()
    offloading = BlockOffloading(transformer)
    present = []

    def look(*_: object) -> None:
        present.append(sum(any(weight.numel() for weight in _frozen(block)) for block in transformer.blocks))

    for block in transformer.blocks:
        assert not any(weight.numel() for weight in _frozen(block))
        block.attn1.register_forward_hook(look)
    _gradients(transformer)
    assert len(present) == 2 * len(transformer.blocks)  # forward, and recomputed
    assert set(present) == {1}
    assert 0 < offloading.largest_block_bytes < offloading.num_bytes


def test_without_gradients_and_once_removed_it_computes_the_same():
    plain, transformer = _adapted(), _adapted()
    offloading = BlockOffloading(transformer)
    with torch.no_grad():
        expected = plain(**_inputs()).sample
        assert torch.equal(transformer(**_inputs()).sample, expected)
        offloading.remove()
        assert all(weight.numel() for weight in transformer.parameters())
        assert torch.equal(transformer(**_inputs()).sample, expected)


def test_a_model_of_which_all_is_trained_is_refused():
    with pytest.raises(ValueError, match="peft section"):
        BlockOffloading(tiny_pipeline("wan").transformer.requires_grad_(True))
