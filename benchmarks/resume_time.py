"""How long it takes to go on at step 1,000 and at step 100,000 of a long data set: to load, and to finish one step.

A data set of millions of rows through `VideoGenerationTrainer` and its own loader. A short run is trained for its
checkpoint; copies of it are told that they are of step 1,000 and of step 100,000, with as many entries in their log as
such runs have. They take turns. Prints JSON last: the median seconds of each and their `ratio`.

    python benchmarks/resume_time.py
"""

import argparse
import contextlib
import io
import json
import shutil
import statistics
import tempfile
import time
from pathlib import Path

import torch

from heygen_hf.models.video_transformer import VideoTransformerConfig, VideoTransformerForVideoGeneration
from heygen_hf.training import VideoGenerationTrainer, VideoGenerationTrainingArguments
from heygen_hf.training.checkpoints.files import MARKER, publish_checkpoint

BATCH, LOGGING_STEPS = 4, 50


class Clips(torch.utils.data.Dataset):
    """Clips that are functions of their row; counts those that are read."""

    def __init__(self, num_rows: int) -> None:
        self.num_rows, self.num_read = num_rows, 0

    def __len__(self) -> int:
        return self.num_rows

    def __getitem__(self, row: int) -> dict[str, torch.Tensor]:
        self.num_read += 1
        generator = torch.Generator().manual_seed(row)
        return {
            "pixel_values": torch.rand(4, 3, 8, 8, generator=generator),
            "input_ids": torch.randint(0, 9, (3,), generator=generator),
            "attention_mask": torch.ones(3),
        }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--steps", type=int, nargs=2, default=[1_000, 100_000])
    parser.add_argument("--rows", type=int, default=2_000_000)
    parser.add_argument("--repeats", type=int, default=7)
    options = parser.parse_args()
    torch.set_num_threads(1)
    seconds: dict[int, list[float]] = {step: [] for step in options.steps}
    with tempfile.TemporaryDirectory() as scratch, contextlib.redirect_stdout(io.StringIO()):
        first = build_trainer(Path(scratch) / "first", rows=options.rows, max_steps=LOGGING_STEPS)
        first.train()
        made = Path(first.args.output_dir) / f"checkpoint-{LOGGING_STEPS}"
        checkpoints = {step: pretend(made, step, Path(scratch) / str(step)) for step in options.steps}
        for repeat in range(options.repeats + 1):
            for step, checkpoint in checkpoints.items():
                taken = time_resuming(checkpoint, step, rows=options.rows)
                if repeat:  # the first turn warms up
                    seconds[step].append(taken)
    medians = {step: statistics.median(found) for step, found in seconds.items()}
    for step, found in seconds.items():
        print(f"step {step:,}: median {medians[step]:.3f} s of {[round(value, 3) for value in found]}")
    first_step, last_step = options.steps
    print(
        json.dumps(
            {
                **{f"seconds_at_{step}": round(median, 4) for step, median in medians.items()},
                "ratio": round(medians[last_step] / medians[first_step], 3),
                "rows": options.rows,
            }
        )
    )


def build_trainer(folder: Path, *, rows: int, max_steps: int) -> VideoGenerationTrainer:
    torch.manual_seed(0)
    config = VideoTransformerConfig(
        vocab_size=10, hidden_size=32, num_hidden_layers=1, num_attention_heads=2, patch_size=(2, 4, 4)
    )
    arguments = VideoGenerationTrainingArguments(
        output_dir=str(folder),
        max_steps=max_steps,
        per_device_train_batch_size=BATCH,
        logging_steps=LOGGING_STEPS,
        save_steps=LOGGING_STEPS,
        eval_strategy="no",
        precision="fp32",
        compile_blocks="never",
        disable_tqdm=True,
    )
    return VideoGenerationTrainer(VideoTransformerForVideoGeneration(config), arguments, train_dataset=Clips(rows))


def pretend(checkpoint: Path, step: int, root: Path) -> Path:
    """The checkpoint as one of a later step."""
    staged = root / ".staging" / f"checkpoint-{step}"
    shutil.copytree(checkpoint, staged)
    (staged / MARKER).unlink()
    state = json.loads((staged / "trainer_state.json").read_text())
    entry = state["log_history"][0]
    state["log_history"] = [{**entry, "step": at} for at in range(LOGGING_STEPS, step + 1, LOGGING_STEPS)]
    progress = json.loads((staged / "progress.json").read_text())
    batches = progress["data"]["order"]["steps_per_epoch"]
    state["global_step"], state["epoch"] = step, step / batches
    progress["data"] |= {"epoch": step // batches, "batch": step % batches}
    progress["last_logged_step"] = step
    (staged / "trainer_state.json").write_text(json.dumps(state))
    (staged / "progress.json").write_text(json.dumps(progress))
    publish_checkpoint(staged, root / staged.name)
    return root / staged.name


def time_resuming(checkpoint: Path, step: int, *, rows: int) -> float:
    """Seconds from the call of `train` to the end of one step more, which is not saved."""
    trainer = build_trainer(checkpoint.parent, rows=rows, max_steps=step + 1)
    trainer.args.save_strategy = "no"
    start = time.perf_counter()
    trainer.train(resume_from_checkpoint=str(checkpoint))
    taken = time.perf_counter() - start
    assert trainer.state.global_step == step + 1
    assert trainer.train_dataset.num_read == BATCH, "rows were replayed"
    return taken


if __name__ == "__main__":
    main()
