"""How much slower a step of `VideoGenerationTrainer` is than the bare step of the same model, in one run.

The recipe's model and data (by default the moving digits) are trained by the trainer as `heygen-hf train` sets it up:
data, noise, clipping, the recipe's optimiser and schedule, EMA, logging to `log.jsonl` (evaluation, saving and sampling
off). Every few steps it is paused, and a twin of the model makes as many bare steps in a hand-written loop:

- forward and backward on the same compiled model in the same autocast, gradient clipping, the same class of optimiser,
  gradients to None;
- on batches and noise that lie in memory already; no data, noise, schedule, EMA, or logging.

So the trainer's surplus is what those cost, and a machine whose speed drifts treats both alike. The blocks that count
cover whole periods of logging together. `ratio` is the median over pairs of neighbouring blocks: a machine's hiccups do
not move it, and neither does what comes in few of them, as logging does. `ratio_of_sums` is all of the trainer's time
over all of the bare loop's: logging is in it, and so are the hiccups.

With `--own-noise` the bare loop leaves drawing noise and timesteps to the model's `forward`, as a loop that somebody
writes over the model does; noise is then on both sides.

    python benchmarks/trainer_overhead.py [--own-noise] [recipes/text_to_video/moving_digits.yaml] [section.key=value …]

The last line is JSON: `ratio` (trainer's seconds a step over the bare step's), `ratio_low` and `ratio_high` (quartiles
of the pairs), `ratio_of_sums`, `cpu_ratio` and `cpu_ratio_of_sums` (the same of the process's CPU time, which
neighbours on the machine disturb less; work in threads beside the model counts there), `trainer_ms`, `bare_ms`,
`parts_ms` (pieces of the surplus, timed alone).
"""

import argparse
import copy
import json
import math
import statistics
import tempfile
import time
from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path
from typing import Any

import torch
from transformers import TrainerCallback
from transformers.trainer_utils import set_seed

from heygen_hf.processing import VideoProcessor
from heygen_hf.tasks import load_recipe
from heygen_hf.tasks.run_folder import RunFolder
from heygen_hf.tasks.text_to_video.parts import TextToVideo
from heygen_hf.training import JsonLinesLog, VideoGenerationTrainer
from heygen_hf.training.noise.randomness import draw_noise
from heygen_hf.training.optimization.block_compilation import compile_blocks
from heygen_hf.training.optimization.build import build_optimizer

KEPT_BATCHES = 16


class BareSteps:
    """A hand-written loop over batches and noise that lie in memory."""

    def __init__(self, model: torch.nn.Module, trainer: VideoGenerationTrainer, *, own_noise: bool) -> None:
        args = trainer.args
        self.model, self.args = model.to(args.device).train(), args
        self.optimizer = build_optimizer(model, args)
        if self.optimizer is None:
            kind, options = trainer.get_optimizer_cls_and_kwargs(args, model)
            self.optimizer = kind(model.parameters(), weight_decay=args.weight_decay, **options)
        self.autocast = torch.autocast(args.device.type, dtype=torch.bfloat16, enabled=args.bf16)
        self.batches = [
            batch if own_noise else self._complete(batch, trainer, step) for step, batch in self._batches(trainer)
        ]
        self.done = 0

    def _batches(self, trainer: VideoGenerationTrainer) -> Any:
        loader = trainer._build_loader(
            trainer.train_dataset,
            batch_size=trainer.args.per_device_train_batch_size,
            collate=trainer.data_collator,
            for_training=True,
        )
        return zip(range(KEPT_BATCHES), loader, strict=False)

    def _complete(self, batch: dict[str, Any], trainer: VideoGenerationTrainer, step: int) -> dict[str, torch.Tensor]:
        clips = batch["pixel_values"]
        draw = draw_noise(
            clips.shape[1:],
            positions=range(len(clips)),
            global_batch_size=len(clips),
            seed=trainer.args.seed,
            step=step,
            condition_dropout=trainer.generator_config.condition_dropout,
            draw_timesteps=trainer.objective.draw_timesteps,
        )
        return {name: value.to(trainer.args.device) for name, value in {**batch, **vars(draw)}.items()}

    def step(self) -> None:
        """One optimiser step."""
        with self.autocast:
            loss = self.model(**self.batches[self.done % KEPT_BATCHES]).loss
        loss.backward()
        torch.nn.utils.clip_grad_norm_(self.model.parameters(), self.args.max_grad_norm)
        self.optimizer.step()
        self.optimizer.zero_grad()
        self.done += 1


class TakeTurns(TrainerCallback):
    """Times the trainer in blocks of steps and lets the bare loop make as many in between."""

    def __init__(self, bare: BareSteps, *, block: int, warm_up: int, device: torch.device) -> None:
        self.bare, self.block, self.warm_up, self.device = bare, block, warm_up, device
        # Wall and CPU seconds of a step, for each block.
        self.trainer_seconds: list[tuple[float, float]] = []
        self.bare_seconds: list[tuple[float, float]] = []
        self.resumed_at = (0.0, 0.0)

    def on_step_end(self, args: Any, state: Any, control: Any, **kwargs: Any) -> None:  # noqa: ARG002
        if state.global_step % self.block:
            return
        paused_at = self._now()
        for _ in range(self.block):
            self.bare.step()
        resumed_at = self._now()
        if state.global_step > self.warm_up:
            self.trainer_seconds.append(self._per_step(self.resumed_at, paused_at))
            self.bare_seconds.append(self._per_step(paused_at, resumed_at))
        self.resumed_at = resumed_at

    def _now(self) -> tuple[float, float]:
        synchronize(self.device)
        return time.perf_counter(), time.process_time()

    def _per_step(self, start: tuple[float, float], end: tuple[float, float]) -> tuple[float, float]:
        return (end[0] - start[0]) / self.block, (end[1] - start[1]) / self.block

    def ratios(self, clock: int) -> list[float]:
        """Of each block of the trainer over the mean of the bare blocks before and behind it, by one of the clocks."""
        mine = [block[clock] for block in self.trainer_seconds]
        bare = [block[clock] for block in self.bare_seconds]
        return [2 * mine[i] / (bare[i - 1] + bare[i]) for i in range(1, len(mine))]

    def ratio_of_sums(self, clock: int) -> float:
        """All of the trainer's time over all of the bare loop's."""
        return sum(block[clock] for block in self.trainer_seconds) / sum(block[clock] for block in self.bare_seconds)


def whole_periods(*, steps: int, warm_up: int, logging_steps: int, block: int) -> int:
    """The steps of warm-up with which the rest is whole periods of logging, in whole blocks; at least `warm_up`."""
    period = math.lcm(logging_steps, block)
    counted = (steps - warm_up) // period * period
    if counted < 1:
        raise SystemExit(f"--steps {steps} and --warm-up {warm_up} leave no {period} steps: whole blocks and a log")
    return steps - counted


def synchronize(device: torch.device) -> None:
    """Wait for a GPU; nothing to wait for on a CPU."""
    if device.type == "cuda":
        torch.cuda.synchronize()


def build_trainer(
    recipe_path: str, overrides: list[str], folder: Path, *, steps: int
) -> tuple[VideoGenerationTrainer, torch.nn.Module]:
    """The trainer as the recipe's task builds it, and a twin of its model, both with compiled blocks."""
    quiet = {
        "output_dir": folder / "run",
        "training.max_steps": steps,
        "training.eval_strategy": "no",
        "training.save_strategy": "no",
        "training.sample_steps": 0,
    }
    recipe = load_recipe(recipe_path, [*overrides, *(f"{key}={value}" for key, value in quiet.items())])
    parts = TextToVideo(recipe)
    run = RunFolder(recipe.output_dir)
    arguments = parts.build_arguments(run)
    processor = VideoProcessor(**asdict(recipe.processor))
    data = parts.prepare(processor=processor, is_main=True)
    tokenizer = parts.build_tokenizer(data)
    set_seed(recipe.seed)
    model = parts.build_model(processor=processor, tokenizer=tokenizer)
    twin = copy.deepcopy(model)
    arguments.dataloader_num_workers = data.num_workers
    trainer = parts.trainer_class(
        model,
        arguments,
        train_dataset=data.training_set(at_least=arguments.per_device_train_batch_size),
        data_collator=parts.build_collator(processor=processor, tokenizer=tokenizer),
        callbacks=[JsonLinesLog(run.log)],
    )
    if arguments.compiles_blocks:
        compile_blocks(twin)
    return trainer, twin


def time_parts(trainer: VideoGenerationTrainer, batch: dict[str, torch.Tensor]) -> dict[str, float]:
    """Milliseconds of single pieces of the trainer's surplus, timed alone."""
    clips, config = batch["pixel_values"], trainer.generator_config
    loader = iter(trainer.get_train_dataloader())
    pieces: dict[str, Callable[[], Any]] = {
        "data": lambda: next(loader),
        "noise": lambda: draw_noise(
            clips.shape[1:],
            positions=range(len(clips)),
            global_batch_size=len(clips),
            seed=0,
            step=0,
            condition_dropout=config.condition_dropout,
            draw_timesteps=trainer.objective.draw_timesteps,
        ),
    }
    if trainer.ema is not None:
        pieces["ema"] = trainer.ema.update
    found = {}
    for name, call in pieces.items():
        seconds = []
        for _ in range(40):
            start = time.perf_counter()
            call()
            synchronize(trainer.args.device)
            seconds.append(time.perf_counter() - start)
        found[name] = round(1e3 * statistics.median(seconds), 3)
    return found


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("recipe", nargs="?", default="recipes/text_to_video/moving_digits.yaml")
    parser.add_argument("overrides", nargs="*", help="section.key=value")
    parser.add_argument("--own-noise", action="store_true", help="the bare loop's noise is drawn by the model")
    parser.add_argument("--steps", type=int, default=600, help="of the trainer, warm-up included")
    parser.add_argument("--block", type=int, default=5, help="steps of a turn")
    parser.add_argument("--warm-up", type=int, default=60)
    options = parser.parse_args()

    with tempfile.TemporaryDirectory() as name:
        trainer, twin = build_trainer(options.recipe, options.overrides, Path(name), steps=options.steps)
        bare = BareSteps(twin, trainer, own_noise=options.own_noise)
        warm_up = whole_periods(
            steps=options.steps,
            warm_up=options.warm_up,
            logging_steps=int(trainer.args.logging_steps),
            block=options.block,
        )
        turns = TakeTurns(bare, block=options.block, warm_up=warm_up, device=trainer.args.device)
        trainer.add_callback(turns)
        trainer.train()
        parts = time_parts(trainer, bare.batches[0])
    ratios = turns.ratios(0)
    low, middle, high = statistics.quantiles(ratios, n=4)
    print(
        json.dumps(
            {
                "ratio": round(middle, 4),
                "ratio_low": round(low, 4),
                "ratio_high": round(high, 4),
                "ratio_of_sums": round(turns.ratio_of_sums(0), 4),
                "cpu_ratio_of_sums": round(turns.ratio_of_sums(1), 4),
                "cpu_ratio": round(statistics.median(turns.ratios(1)), 4),
                "trainer_ms": round(1e3 * statistics.median(wall for wall, _ in turns.trainer_seconds), 2),
                "bare_ms": round(1e3 * statistics.median(wall for wall, _ in turns.bare_seconds), 2),
                "parts_ms": parts,
                "pairs": len(ratios),
                "threads": torch.get_num_threads(),
                "device": trainer.args.device.type,
            }
        )
    )


if __name__ == "__main__":
    main()
