"""Run by a test on two processes: a contrastive step with half the batch on each, gradients averaged as DDP does."""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent))

import torch
from tiny_fusion import VIDEOMAE, build_config, build_inputs
from torch import distributed
from torch.nn.parallel import DistributedDataParallel

from heygen_hf.models.multimodal_fusion import MultimodalFusionForContrastiveLearning


def build(contrastive_loss: str) -> MultimodalFusionForContrastiveLearning:
    """Without batch norms, whose statistics are each process's own."""
    torch.manual_seed(0)
    options = {"video_config": VIDEOMAE, "audio_config": None, "contrastive_loss": contrastive_loss}
    model = MultimodalFusionForContrastiveLearning(build_config(**options))
    with torch.no_grad():
        for weight in model.parameters():
            weight.add_(torch.randn_like(weight) * 0.1)
    return model.train()


def batch() -> dict[str, torch.Tensor]:
    """Four samples; the third has no video, and two have one text."""
    inputs = {name: value for name, value in build_inputs(batch=4).items() if "audio" not in name}
    inputs["pixel_mask"][2] = False
    for name in ("input_ids", "attention_mask"):
        inputs[name][3] = inputs[name][0]
    return inputs


if __name__ == "__main__":
    distributed.init_process_group("gloo")
    rank = distributed.get_rank()
    for kind in ("softmax", "sigmoid"):
        model = DistributedDataParallel(build(kind), find_unused_parameters=True)
        loss = model(**{name: value[2 * rank : 2 * rank + 2] for name, value in batch().items()}).loss
        loss.backward()
        if rank == 0:
            gradients = {name: p.grad for name, p in model.module.named_parameters() if p.grad is not None}
            torch.save({"loss": loss.detach(), "gradients": gradients}, Path(sys.argv[1]) / f"{kind}.pt")
    distributed.destroy_process_group()
