"""Run by tests on two processes: the conftest's training with a quarter of the batch, accumulated twice, on each.

First as DDP, then with the weights sharded (FSDP2), which the launcher's configuration asks for.
"""

import json
import os
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1]))
# transformers would import them for seconds
sys.modules |= {"peft": None, "bitsandbytes": None, "torchao": None}

import torch  # noqa: E402
from conftest import build_trainer  # noqa: E402
from safetensors.torch import save_file  # noqa: E402
from torch.distributed.algorithms.ddp_comm_hooks.default_hooks import allreduce_hook  # noqa: E402
from transformers import TrainerCallback  # noqa: E402

from heygen_hf.training import VideoGenerationTrainer  # noqa: E402

SHARES = {"per_device_train_batch_size": 1, "gradient_accumulation_steps": 2}


class CountReductions(TrainerCallback):
    """How often DDP averages gradients over the processes."""

    count = 0

    def on_train_begin(self, *args: object, **kwargs: object) -> None:
        self.trainer.model_wrapped.register_comm_hook(None, self.reduce)

    def reduce(self, state: None, bucket: torch.distributed.GradBucket) -> torch.futures.Future[torch.Tensor]:
        self.count += bucket.is_last()
        return allreduce_hook(state, bucket)


def data_parallel(folder: Path) -> VideoGenerationTrainer:
    os.environ["ACCELERATE_USE_FSDP"] = "false"
    counter = CountReductions()
    trainer = build_trainer(folder, callbacks=[counter], **SHARES)
    counter.trainer = trainer
    trainer.train()
    assert not trainer.is_sharded
    (folder / f"reductions-{trainer.args.process_index}.json").write_text(json.dumps(counter.count))
    return trainer


def sharded(folder: Path, *, resume: Path | None = None, **options: object) -> None:
    os.environ["ACCELERATE_USE_FSDP"] = "true"
    sampled: dict[str, torch.Tensor] = {}

    def write_samples(step: int) -> None:
        # On the main process alone, which can call the model by itself.
        batch = {name: value[None] for name, value in trainer.eval_dataset[0].items()}
        with torch.no_grad():
            trainer.model(**batch, timestep=torch.tensor([0.5]), noise=torch.zeros_like(batch["pixel_values"]))
        sampled[str(step)] = trainer.model.transformer.patch_proj.weight.detach().clone()

    trainer = build_trainer(folder, sample_steps=4, write_samples=write_samples, ema_decay=0.9, **SHARES, **options)
    trainer.train(resume_from_checkpoint=None if resume is None else str(resume))
    assert trainer.is_sharded
    weight = trainer.model.transformer.layers[0].attention.q_proj.weight
    assert weight.to_local().shape == (16, 32), weight.to_local().shape  # half of it
    loss = trainer.evaluate()["eval_loss"]
    assert trainer.evaluate()["eval_loss"] == loss
    trainer.end_sharding()
    if trainer.is_world_process_zero():
        save_file(sampled, folder / "sampled.safetensors")
        trainer.model.save_pretrained(folder / "own")
        with trainer.ema_weights():
            trainer.model.save_pretrained(folder / "averaged")


if __name__ == "__main__":
    root, optimizers = Path(sys.argv[1]), sys.argv[2:]
    data_parallel(root / "ddp")
    for optimizer in optimizers:
        first = root / f"fsdp2_{optimizer}"
        sharded(first, optimizer=optimizer)
        sharded(root / f"fsdp2_{optimizer}_resumed", optimizer=optimizer, resume=first / "checkpoint-6")
    sharded(root / "fsdp2_bf16", optimizer="adamw", precision="bf16", max_steps=2, save_strategy="no")
