"""Sharded over two processes, by parameters or by heads, each family computes and learns what it does in one."""

import subprocess
import sys

import pytest
import torch
from safetensors.torch import save_file

from heygen_hf.models.audio_encoder import AudioEncoderConfig
from heygen_hf.models.multimodal_fusion import MultimodalFusionConfig, MultimodalFusionForClassification
from heygen_hf.models.text_transformer import TextTransformerConfig, TextTransformerForCausalLM
from heygen_hf.models.video_transformer import VideoTransformerConfig, VideoTransformerForVideoGeneration

PROGRAM = """
import sys
import torch
import torch.distributed as dist
from safetensors.torch import load_file
from transformers.distributed import DistributedConfig
import heygen_hf.models as models

folder, option, name, shape = sys.argv[1:]
dist.init_process_group("gloo")
model_class = getattr(models, name)
sharded = model_class.from_pretrained(folder, distributed_config=DistributedConfig(**{option: 2})).train()
whole = model_class.from_pretrained(folder).train()
local = sharded.base_model.layers[0].attention.q_proj.weight.to_local()
assert str(tuple(local.shape)) == shape, local.shape  # half of it
batch = load_file(folder + "/batch.safetensors")
full = lambda value: value.full_tensor() if hasattr(value, "full_tensor") else value
losses = [model(**batch).loss for model in (sharded, whole)]
for loss in losses:
    loss.backward()
torch.testing.assert_close(full(losses[0]), losses[1])
expected = dict(whole.named_parameters())
for name, weight in sharded.named_parameters():
    if expected[name].grad is not None:
        torch.testing.assert_close(full(weight.grad), expected[name].grad, atol=1e-5, rtol=1e-4, msg=name)
dist.destroy_process_group()
"""

SIZES = {"hidden_size": 32, "num_hidden_layers": 2, "num_attention_heads": 2}
IDS = torch.arange(12).view(2, 6) + 1
CASES = {
    "text": (
        TextTransformerForCausalLM(TextTransformerConfig(vocab_size=20, **SIZES)),
        {"input_ids": IDS, "labels": IDS},
    ),
    "video": (
        VideoTransformerForVideoGeneration(
            VideoTransformerConfig(
                vocab_size=20, patch_size=(2, 4, 4), timestep_embedding_size=16, condition_dropout=0.0, **SIZES
            )
        ),
        {
            "pixel_values": torch.linspace(-1, 1, 2 * 4 * 3 * 8 * 8).view(2, 4, 3, 8, 8),
            "noise": torch.linspace(2, -2, 2 * 4 * 3 * 8 * 8).view(2, 4, 3, 8, 8),
            "timestep": torch.tensor([0.3, 0.8]),
            "input_ids": IDS,
        },
    ),
    "fusion": (
        MultimodalFusionForClassification(
            MultimodalFusionConfig(
                text_config=TextTransformerConfig(vocab_size=20, is_causal=False, **SIZES),
                audio_config=AudioEncoderConfig(**SIZES),
                fusion="early",
                num_labels=3,
                **SIZES,
            )
        ),
        {
            "input_ids": IDS,
            "audio_values": torch.linspace(-1, 1, 2 * 8000).view(2, 8000),
            "labels": torch.tensor([0, 2]),
        },
    ),
}


@pytest.mark.slow
@pytest.mark.parametrize("option", ["fsdp_size", "tp_size"])
@pytest.mark.parametrize("family", CASES)
def test_two_processes_compute_the_gradients_of_one(family, option, tmp_path) -> None:
    model, batch = CASES[family]
    with torch.no_grad():
        for weight in model.parameters():  # nothing at its start of zeros or ones
            weight.add_(torch.linspace(-0.1, 0.1, weight.numel()).view_as(weight))
    model.save_pretrained(tmp_path / "model")
    save_file({name: value.clone() for name, value in batch.items()}, tmp_path / "model" / "batch.safetensors")
    (tmp_path / "program.py").write_text(PROGRAM)
    launcher = [sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc_per_node", "2"]
    arguments = [str(tmp_path / "model"), option, type(model).__name__, "(16, 32)"]
    result = subprocess.run(
        [*launcher, str(tmp_path / "program.py"), *arguments], capture_output=True, text=True, timeout=250, check=False
    )
    assert result.returncode == 0, result.stderr[:4000]
