"""Two processes with half the batch each are one with all of it."""

import subprocess
import sys
from pathlib import Path

import torch
from contrastive_ranks import batch, build


def test_contrastive_step_on_two_processes_equals_one(tmp_path):
    script = Path(__file__).with_name("contrastive_ranks.py")
    command = [sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc_per_node", "2"]
    subprocess.run([*command, str(script), str(tmp_path)], check=True, capture_output=True, timeout=240)
    for kind in ("softmax", "sigmoid"):
        two = torch.load(tmp_path / f"{kind}.pt", weights_only=True)
        model = build(kind)
        loss = model(**batch()).loss
        loss.backward()
        torch.testing.assert_close(two["loss"], loss.detach(), atol=1e-5, rtol=1e-5)
        one = {name: p.grad for name, p in model.named_parameters() if p.grad is not None}
        assert two["gradients"].keys() == one.keys()
        for name, gradient in one.items():
            torch.testing.assert_close(two["gradients"][name], gradient, atol=1e-5, rtol=1e-4, msg=name)
