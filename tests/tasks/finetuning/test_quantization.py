"""Adapters beside a transformer of few bits."""

import json

import pytest
import torch
from diffusers import DiffusionPipeline, WanTransformer3DModel
from safetensors.torch import load_file
from tiny_pipelines import tiny_pipeline
from torch import nn

from heygen_hf.data import render_moving_digits
from heygen_hf.tasks import run_recipe
from heygen_hf.tasks.finetuning.base.quantization import Float8Linear, quantize_fp8, quantize_nf4


def _wide_transformer() -> WanTransformer3DModel:
    """Wide enough for its layers to be worth it."""
    torch.manual_seed(0)
    config = dict(tiny_pipeline("wan").transformer.config)
    return WanTransformer3DModel.from_config(config | {"num_attention_heads": 2, "attention_head_dim": 64})


def _bytes_of(module: nn.Module) -> int:
    return sum(weight.numel() * weight.element_size() for weight in module.parameters())


@pytest.mark.parametrize(("bits", "closeness"), [("fp8", 0.05), ("nf4", 0.25)])
def test_it_takes_less_memory_and_says_nearly_the_same(bits, closeness):
    transformer, plain = _wide_transformer().eval(), _wide_transformer().eval()
    if bits == "fp8":
        replaced = quantize_fp8(transformer)
    else:
        pytest.importorskip("bitsandbytes")
        replaced = quantize_nf4(transformer, compute_dtype=torch.float32)
    assert replaced > 0
    assert _bytes_of(transformer.blocks) < 0.6 * _bytes_of(plain.blocks)
    inputs = {
        "hidden_states": torch.randn(1, 16, 3, 4, 4),
        "timestep": torch.tensor([500.0]),
        "encoder_hidden_states": torch.randn(1, 8, 32),
    }
    with torch.no_grad():
        ours, theirs = transformer(**inputs).sample, plain(**inputs).sample
    assert not torch.equal(ours, theirs)
    assert (ours - theirs).norm() < closeness * theirs.norm()


def test_gradients_pass_through_8_bits_as_through_the_weight_they_stand_for():
    layer = Float8Linear(nn.Linear(16, 8))
    wide = nn.Linear(16, 8)
    wide.weight.data = layer.weight.float() * layer.scale
    wide.bias = layer.bias
    values = torch.randn(3, 16, requires_grad=True)
    same = values.detach().clone().requires_grad_()
    layer(values).square().sum().backward()
    wide(same).square().sum().backward()
    assert torch.allclose(values.grad, same.grad, rtol=1e-5)


@pytest.mark.parametrize("bits", ["fp8", "nf4"])
def test_an_adapter_learns_beside_few_bits_and_loads_beside_the_published_weights(bits, tmp_path):
    if bits == "nf4":
        pytest.importorskip("bitsandbytes")
    pipeline = tiny_pipeline("wan")
    pipeline.register_modules(transformer=_wide_transformer())
    base = tmp_path / "base"
    pipeline.save_pretrained(base)
    clips = render_moving_digits(tmp_path / "clips", num_train=4, num_validation=2, num_test=2, num_frames=9)
    recipe, run = tmp_path / "recipe.yaml", tmp_path / "run"
    recipe.write_text(
        f"task: finetuning\nmodel: {{pretrained: {base}, quantization: {bits}, dtype: float32}}\npeft: {{r: 4}}\n"
        f"data: {{train: {clips / 'train'}, validation: {clips / 'train'}, cache_dir: {tmp_path / 'cache'}}}\n"
        "processor: {num_frames: 9, height: 32, width: 32, frame_position: start}\n"
        "training: {max_steps: 12, learning_rate: 1e-2, warmup_steps: 0, per_device_train_batch_size: 2, "
        "precision: fp32, eval_steps: 12, save_steps: 12, logging_steps: 4, disable_tqdm: true}\n"
        "generation: {num_inference_steps: 2, num_samples: 1, guidance_scale: 1.0}\n"
    )
    run_recipe(recipe, [f"output_dir={run}"])
    log = [json.loads(line) for line in (run / "log.jsonl").read_text().splitlines()]
    losses = [line["eval_loss"] for line in log if "eval_loss" in line]
    assert losses[-1] < losses[0]
    plain = DiffusionPipeline.from_pretrained(str(base))
    plain.load_lora_weights(str(run))
    said = json.loads((run / "reference.json").read_text())
    frames = plain(
        prompt=said["prompt"], generator=[torch.Generator().manual_seed(said["seed"])], **said["call"]
    ).frames
    assert torch.equal(frames.float(), load_file(run / "reference.safetensors")["frames"])
