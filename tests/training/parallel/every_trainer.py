"""Run by a test on two processes: every trainer, half the batch on each, as DDP and with sharded weights (FSDP2)."""

import os
import sys
from pathlib import Path

# transformers would import them for seconds
sys.modules |= {"peft": None, "bitsandbytes": None, "torchao": None}

import torch  # noqa: E402
from small_trainers import TRAINERS, train  # noqa: E402

if __name__ == "__main__":
    for engine, shards in (("ddp", "false"), ("fsdp2", "true")):
        os.environ["ACCELERATE_USE_FSDP"] = shards
        for name in sys.argv[2:] or TRAINERS:
            trainer = train(name, Path(sys.argv[1]) / engine / name, batch_size=2)
            assert trainer.is_sharded == (engine == "fsdp2")
            trainer.end_sharding()
            if name == "language_model" and trainer.is_world_process_zero():  # by itself
                trainer.model.generate(torch.ones(1, 2, dtype=torch.long), max_new_tokens=2)
            print(engine, name, flush=True)
