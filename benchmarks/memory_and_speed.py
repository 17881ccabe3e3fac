"""What each option of training costs in time and saves in memory: one row an option, each in a process of its own.

The rows are trained by `VideoGenerationTrainer` on latents drawn once, with the arguments that a recipe would give. A
row's memory is that of its process at its highest (on a CPU beyond what the imports took, on a GPU what was
allocated). The rows go round several times, so that a machine whose speed drifts treats them alike; the time is the
median over all rounds, and `ratio` is against the baseline of the same round.

    python benchmarks/memory_and_speed.py                          # some 40 M parameters, on a CPU
    python benchmarks/memory_and_speed.py --size large             # some 400 M parameters, on a GPU
    python benchmarks/memory_and_speed.py --rows baseline compile

The last line is JSON: `rows` (name → seconds_per_step, ratio, peak_gib, tokens_per_second, mfu), `parameters`, `tokens`
of a step, `device`, `threads`. `mfu` counts the model's operations, not those of recomputed blocks.
"""

import argparse
import json
import os
import resource
import statistics
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass, field
from typing import Any

import torch
from torch.utils.data import Dataset
from transformers import TrainerCallback

from heygen_hf.models.video_transformer import VideoTransformerConfig, VideoTransformerForVideoGeneration
from heygen_hf.training import VideoGenerationTrainer, VideoGenerationTrainingArguments

CHANNELS, TEXT_TOKENS = 16, 16


@dataclass(frozen=True)
class Size:
    """A model and the batch it is trained on."""

    width: int
    layers: int
    heads: int
    frames: int
    side: int
    batch_size: int


SIZES = {
    "tiny": Size(width=64, layers=2, heads=2, frames=2, side=8, batch_size=4),
    "small": Size(width=512, layers=10, heads=8, frames=8, side=16, batch_size=4),
    "large": Size(width=1024, layers=24, heads=16, frames=16, side=32, batch_size=4),
}


@dataclass(frozen=True)
class Row:
    """Arguments that differ from the baseline's.

    Attributes:
        accumulate: micro-batches that the batch is shared out over.
    """

    arguments: dict[str, Any] = field(default_factory=dict)
    attention: str | None = None
    accumulate: int = 1
    on: str | None = None


ROWS = {
    "baseline": Row(),
    "fp32": Row({"precision": "fp32"}),
    "compile": Row({"compile_blocks": "always"}),
    "checkpoint every block": Row({"gradient_checkpointing": True}),
    "checkpoint every 2nd": Row({"gradient_checkpointing": True, "gradient_checkpointing_every": 2}),
    "checkpoint and compile": Row({"gradient_checkpointing": True, "compile_blocks": "always"}),
    "checkpoint and offload": Row({"gradient_checkpointing": True, "offload_activations": True}, on="cuda"),
    "accumulate 4": Row(accumulate=4),
    "muon": Row({"optimizer": "muon"}),
    "adamw, fused": Row({"optimizer": "trainer", "optim": "adamw_torch_fused"}),
    "adamw_8bit": Row({"optimizer": "adamw_8bit"}),
    "no EMA": Row({"ema_decay": None}),
    "attention sdpa": Row(attention="sdpa"),
    "attention matmul": Row(attention="matmul"),
    "attention eager": Row(attention="eager"),
}


class Latents(Dataset):
    """Random latents and caption features, the same few over and over."""

    def __init__(self, size: Size, length: int) -> None:
        generator = torch.Generator().manual_seed(0)
        shape = (size.frames, CHANNELS, size.side, size.side)
        self.clips = [torch.randn(shape, generator=generator) for _ in range(8)]
        self.texts = [torch.randn(TEXT_TOKENS, size.width, generator=generator) for _ in range(8)]
        self.length = length

    def __len__(self) -> int:
        return self.length

    def __getitem__(self, index: int) -> dict[str, torch.Tensor]:
        at = index % len(self.clips)
        return {"pixel_values": self.clips[at], "encoder_hidden_states": self.texts[at]}


class Clock(TrainerCallback):
    """Seconds of each step behind the warm-up."""

    def __init__(self, warm_up: int, device: torch.device) -> None:
        self.warm_up, self.device = warm_up, device
        self.seconds: list[float] = []
        self.began = 0.0

    def on_step_end(self, args: Any, state: Any, control: Any, **kwargs: Any) -> None:  # noqa: ARG002
        if self.device.type == "cuda":
            torch.cuda.synchronize()
        now = time.perf_counter()
        if state.global_step > self.warm_up:
            self.seconds.append(now - self.began)
        self.began = now


def train_row(row: Row, size: Size, *, steps: int, warm_up: int, attention: str | None) -> dict[str, Any]:
    """Train in this process and say what it took."""
    torch.manual_seed(0)
    model = VideoTransformerForVideoGeneration(
        VideoTransformerConfig(
            num_channels=CHANNELS,
            patch_size=(1, 2, 2),
            hidden_size=size.width,
            num_hidden_layers=size.layers,
            num_attention_heads=size.heads,
            caption_hidden_size=size.width,
        )
    )
    attention = row.attention or attention or ("sdpa" if torch.cuda.is_available() else "matmul")
    model.set_attn_implementation(attention)
    values: dict[str, Any] = {
        "max_steps": warm_up + steps,
        "per_device_train_batch_size": size.batch_size // row.accumulate,
        "gradient_accumulation_steps": row.accumulate,
        "precision": "bf16",
        "optimizer": "adamw",
        "ema_decay": 0.999,
        "compile_blocks": "never",
        "logging_steps": 1,
        "eval_strategy": "no",
        "save_strategy": "no",
        "disable_tqdm": True,
        **row.arguments,
    }
    imported = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    with tempfile.TemporaryDirectory() as folder:
        args = VideoGenerationTrainingArguments(output_dir=folder, **values)
        clock = Clock(warm_up, args.device)
        data = Latents(size, (warm_up + steps) * size.batch_size)
        trainer = VideoGenerationTrainer(model, args, train_dataset=data, callbacks=[clock])
        trainer.train()
    logs = [entry for entry in trainer.state.log_history if "loss" in entry][warm_up:]
    on_gpu = args.device.type == "cuda"
    peak = torch.cuda.max_memory_allocated() if on_gpu else _resident_peak_bytes(imported)
    tokens = size.batch_size * (size.frames * (size.side // 2) ** 2 + TEXT_TOKENS)
    return {
        "seconds": clock.seconds,
        "peak_gib": peak / 2**30,
        "mfu": statistics.median(entry.get("mfu", float("nan")) for entry in logs),
        "loss": logs[-1]["loss"],
        "parameters": sum(weight.numel() for weight in model.parameters()),
        "tokens": tokens,
        "device": torch.cuda.get_device_name() if on_gpu else "cpu",
        "threads": torch.get_num_threads(),
    }


def _resident_peak_bytes(imported_kib: int) -> int:
    return (resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - imported_kib) * 1024


def run_row(name: str, options: argparse.Namespace) -> dict[str, Any] | None:
    """One row in a process of its own; None where it failed, which is said."""
    command = [sys.executable, __file__, "--one", name, "--size", options.size, "--steps", str(options.steps)]
    command += ["--warm-up", str(options.warm_up)]
    command += ["--attention", options.attention] if options.attention else []
    command += ["--batch-size", str(options.batch_size)] if options.batch_size else []
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode:
        print(f"{name} failed: {(done.stderr.strip().splitlines() or ['?'])[-1]}", flush=True)
        return None
    return json.loads(done.stdout.strip().splitlines()[-1])


def summarize(rounds: dict[str, list[dict[str, Any]]]) -> dict[str, dict[str, float]]:
    """Medians over the rounds, and the time against the baseline of the same round."""
    first = next(iter(rounds))
    summary = {}
    for name, found in rounds.items():
        pairs = zip(found, rounds[first], strict=False)
        ratios = [statistics.median(a["seconds"]) / statistics.median(b["seconds"]) for a, b in pairs]
        seconds = statistics.median(second for each in found for second in each["seconds"])
        summary[name] = {
            "seconds_per_step": round(seconds, 3),
            "ratio": round(statistics.median(ratios), 3),
            "peak_gib": round(statistics.median(each["peak_gib"] for each in found), 2),
            "tokens_per_second": round(found[0]["tokens"] / seconds, 1),
            "mfu": round(statistics.median(each["mfu"] for each in found), 3),
        }
    return summary


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--size", choices=SIZES, default="small")
    parser.add_argument("--rows", nargs="*", choices=ROWS, help="all of them, unless told otherwise")
    parser.add_argument("--rounds", type=int, default=2)
    parser.add_argument("--steps", type=int, default=4, help="measured steps of a row in a round")
    parser.add_argument("--warm-up", type=int, default=2)
    parser.add_argument("--batch-size", type=int, default=None)
    parser.add_argument("--attention", default=None, help="of all rows; matmul on a CPU, sdpa on a GPU")
    parser.add_argument("--one", choices=ROWS, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.one:
        size = SIZES[options.size]
        size = Size(**{**vars(size), "batch_size": options.batch_size or size.batch_size})
        found = train_row(
            ROWS[options.one], size, steps=options.steps, warm_up=options.warm_up, attention=options.attention
        )
        print(json.dumps(found))
        return

    kind = "cuda" if torch.cuda.is_available() else "cpu"
    names = [name for name in options.rows or ROWS if ROWS[name].on in (None, kind)]
    rounds: dict[str, list[dict[str, Any]]] = {}
    for turn in range(options.rounds):
        for name in names:
            if turn and name not in rounds:
                continue  # it failed in the first round
            found = run_row(name, options)
            if found is not None:
                rounds.setdefault(name, []).append(found)
                print(f"{turn + 1}: {name}: {statistics.median(found['seconds']):.3f} s a step", flush=True)
    if not rounds:
        sys.exit("no row could be measured")
    summary = summarize(rounds)
    print("\n| option | seconds a step | against the first row | peak memory, GiB | tokens/s | MFU |")
    print("|---|---|---|---|---|---|")
    for name, row in summary.items():
        figures = f"{row['seconds_per_step']:.3f} | {row['ratio']:.2f} | {row['peak_gib']:.2f}"
        print(f"| {name} | {figures} | {row['tokens_per_second']:,.0f} | {row['mfu']:.1%} |")
    some = next(iter(rounds.values()))[0]
    facts = {name: some[name] for name in ("parameters", "tokens", "device", "threads")}
    load = round(os.getloadavg()[0], 1) if hasattr(os, "getloadavg") else None
    print(json.dumps({"rows": summary, **facts, "load_average": load, "rounds": options.rounds}))


if __name__ == "__main__":
    main()
