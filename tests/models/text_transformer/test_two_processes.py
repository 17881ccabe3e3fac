"""Sharded over two processes, by parameters or by heads, the model computes and learns what it does in one."""

import subprocess
import sys

import pytest

from heygen_hf.models.text_transformer import TextTransformerForCausalLM

PROGRAM = """
import sys
import torch
import torch.distributed as dist
from transformers import AutoModelForCausalLM
from transformers.distributed import DistributedConfig
from heygen_hf.models.text_transformer import TextTransformerForCausalLM

folder, option = sys.argv[1:]
dist.init_process_group("gloo")
sharded = AutoModelForCausalLM.from_pretrained(folder, distributed_config=DistributedConfig(**{option: 2})).train()
whole = TextTransformerForCausalLM.from_pretrained(folder).train()
local = sharded.transformer.layers[0].attention.q_proj.weight.to_local()
assert local.shape == (16, 32), local.shape  # half of it
ids = torch.arange(12).view(2, 6) + 1
full = lambda value: value.full_tensor() if hasattr(value, "full_tensor") else value
losses = [model(ids, labels=ids).loss for model in (sharded, whole)]
for loss in losses:
    loss.backward()
torch.testing.assert_close(full(losses[0]), losses[1])
expected = dict(whole.named_parameters())
for name, weight in sharded.named_parameters():
    torch.testing.assert_close(full(weight.grad), expected[name].grad, atol=1e-5, rtol=1e-4, msg=name)
dist.destroy_process_group()
"""


@pytest.mark.slow
@pytest.mark.parametrize("option", ["fsdp_size", "tp_size"])
def test_two_processes_compute_the_gradients_of_one(scrambled, tmp_path, option) -> None:
    scrambled(TextTransformerForCausalLM).save_pretrained(tmp_path / "model")
    (tmp_path / "program.py").write_text(PROGRAM)
    launcher = [sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc_per_node", "2"]
    command = [*launcher, str(tmp_path / "program.py"), str(tmp_path / "model"), option]
    result = subprocess.run(command, capture_output=True, text=True, timeout=200, check=False)
    assert result.returncode == 0, result.stderr[-3000:]
