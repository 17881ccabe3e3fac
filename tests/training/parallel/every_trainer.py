"""Run by a test on two processes: every trainer, half the batch on each, as DDP and with sharded weights (FSDP2)."""

import os
import sys
from pathlib import Path

# transformers would import them for seconds
sys.modules |= {"peft": None, "bitsandbytes": None, "torchao": None}

from small_trainers import TRAINERS, train  # noqa: E402

if __name__ == "__main__":
    for engine, shards in (("ddp", "false"), ("fsdp2", "true")):
        os.environ["ACCELERATE_USE_FSDP"] = shards
        for name in sys.argv[2:] or TRAINERS:
            trainer = train(name, Path(sys.argv[1]) / engine / name, batch_size=2)
            assert trainer.is_sharded == (engine == "fsdp2")
            trainer.end_sharding()
            print(engine, name, flush=True)
