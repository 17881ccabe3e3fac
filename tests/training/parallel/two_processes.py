"""Run by a test on two processes: the conftest's training with half the batch on each."""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1]))
sys.modules |= {"peft": None, "bitsandbytes": None}  # transformers would import them for seconds

from conftest import build_trainer  # noqa: E402

if __name__ == "__main__":
    build_trainer(Path(sys.argv[1]), per_device_train_batch_size=2).train()
