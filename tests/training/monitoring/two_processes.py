"""Run by a test on two processes: the second one's loss is no number at the fourth step."""

import json
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1]))
# transformers would import them for seconds
sys.modules |= {"peft": None, "bitsandbytes": None, "torchao": None}

import torch  # noqa: E402
from conftest import build_trainer  # noqa: E402

folder = Path(sys.argv[1])
trainer = build_trainer(folder / "run", per_device_train_batch_size=2, save_strategy="no", eval_strategy="no")
rank = trainer.args.process_index
usual, drawn = trainer.data_collator, []


class Rows(torch.utils.data.Dataset):
    """The conftest's clips with their rows."""

    def __init__(self, clips: torch.utils.data.Dataset) -> None:
        self.clips = clips

    def __len__(self) -> int:
        return len(self.clips)

    def __getitem__(self, index: int) -> dict:
        return {**self.clips[index], "row": index}


def collate(items: list[dict]) -> dict:
    drawn.append([item.pop("row") for item in items])
    batch = usual(items)
    batch["attention_mask"][:, 2] = 1 - rank
    if rank == 1 and len(drawn) == 4:
        batch["pixel_values"][0] = float("nan")
    return batch


trainer.train_dataset, trainer.data_collator = Rows(trainer.train_dataset), collate
error = ""
flops = {}
read = trainer.flop_meter.read
trainer.flop_meter.read = lambda: flops.setdefault("step", read())
try:
    trainer.train()
except ValueError as stopped:
    error = str(stopped)
found = {"error": error, "drawn": drawn, "log": trainer.state.log_history, "flops_per_clip": flops["step"] / 2}
(folder / f"{rank}.json").write_text(json.dumps(found))
