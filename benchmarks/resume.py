"""Kill training runs at random instants, resume them until they are finished, and compare with a run never killed.

The real command line on rendered clips: plain, accumulating two batches, streaming with two workers, and on two
processes. Some kills (SIGKILL, all processes at once) come while the program starts, most while it trains, some while a
checkpoint is written or deleted, some while the model is exported. After each kill every checkpoint folder is read;
after each finished run the weights, their average, the optimiser, the exported model, everything logged that is no
time, and the names of all files are compared. Prints JSON last: `kills`, `identical`, `unreadable`.

    python benchmarks/resume.py --kills 50
"""

import argparse
import hashlib
import json
import os
import random
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import psutil
import torch
from safetensors import safe_open
from safetensors.torch import load_file

from heygen_hf.data import export_to_parquet, load_video_dataset, write_video
from heygen_hf.training.checkpoints.files import checkpoint_problem

STEPS, SAVE_STEPS = 24, 2
RECIPE = f"""
task: text_to_video
model: {{patch_size: [2, 4, 4], hidden_size: 32, num_hidden_layers: 2, num_attention_heads: 2, prediction_type: sample}}
data: {{validation_share: 0.2}}
processor: {{num_frames: 4, height: 16, width: 16, frame_position: random}}
training:
  max_steps: {STEPS}
  per_device_train_batch_size: 4
  precision: fp32
  save_steps: {SAVE_STEPS}
  logging_steps: 3  # between two saves
  eval_steps: 8
  sample_steps: 12
  warmup_steps: 2
  compile_blocks: never
  disable_tqdm: true
generation: {{num_inference_steps: 2, num_samples: 2}}
evaluation: {{enabled: false}}
"""
CASES: dict[str, tuple[int, list[str]]] = {
    "plain": (1, []),
    "accumulation": (1, ["training.gradient_accumulation_steps=2", "training.per_device_train_batch_size=2"]),
    "streaming": (1, ["data.streaming=true"]),
    "processes": (2, ["training.per_device_train_batch_size=2"]),
}
INSTANTS = {"starting": 1, "training": 5, "saving": 3, "exporting": 1}  # how often each, in tenths
SPEEDS = ("second", "runtime", "share", "mfu", "memory", "time")  # parts of the names of what no two runs have alike


@dataclass
class Case:
    """A kind of run, and what was seen of it."""

    name: str
    command: list[str]
    folder: Path
    seconds: dict[str, float] = field(default_factory=dict)
    kills: dict[str, int] = field(default_factory=dict)
    runs: int = 0
    differences: list[str] = field(default_factory=list)
    unreadable: list[str] = field(default_factory=list)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--kills", type=int, default=50, help="over all cases")
    parser.add_argument("--cases", nargs="+", choices=CASES, default=list(CASES))
    parser.add_argument("--seed", type=int, default=0, help="of the instants; the scheduler adds chance of its own")
    options = parser.parse_args()
    os.environ |= {"OMP_NUM_THREADS": "1", "HF_HUB_OFFLINE": "1", "TOKENIZERS_PARALLELISM": "false"}
    chance = random.Random(options.seed)
    with tempfile.TemporaryDirectory() as scratch:
        cases = prepare(Path(scratch), options.cases)
        for number, case in enumerate(cases):
            share = options.kills // len(cases) + (number < options.kills % len(cases))
            measure_reference(case)
            kill_and_resume(case, kills=share, chance=chance)
            print(
                f"{case.name}: {sum(case.kills.values())} kills {case.kills}, {case.runs} runs finished, "
                f"{len(case.differences)} differences, {len(case.unreadable)} unreadable checkpoints",
                flush=True,
            )
            for line in case.differences + case.unreadable:
                print(f"  {line}")
    kills = {name: sum(case.kills.get(name, 0) for case in cases) for name in INSTANTS}
    print(
        json.dumps(
            {
                "kills": sum(kills.values()),
                "identical": not any(case.differences for case in cases),
                "unreadable": sum(len(case.unreadable) for case in cases),
                "runs": sum(case.runs for case in cases),
                "kills_while": kills,
                "kills_of": {case.name: sum(case.kills.values()) for case in cases},
            }
        )
    )


def prepare(scratch: Path, names: list[str]) -> list[Case]:
    """Clips, the same as shards, and a recipe."""
    clips = scratch / "clips"
    clips.mkdir()
    for number in range(30):
        generator = torch.Generator().manual_seed(number)
        write_video(
            clips / f"{number}.mp4", torch.randint(0, 256, (6, 3, 16, 16), dtype=torch.uint8, generator=generator)
        )
    rows = [{"file_name": f"{number}.mp4", "text": f"clip {number}"} for number in range(30)]
    (clips / "metadata.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    export_to_parquet(load_video_dataset(clips), scratch / "shards", rows_per_shard=8)
    (scratch / "recipe.yaml").write_text(RECIPE)
    cases = []
    for name in names:
        processes, overrides = CASES[name]
        data = f"{scratch}/shards/*.parquet" if "data.streaming=true" in overrides else str(clips)
        start = ["-m", "torch.distributed.run", "--standalone", "--nproc_per_node", str(processes)] * (processes > 1)
        values = [*overrides, f"data.train={data}", f"data.cache_dir={scratch / 'cache'}"]
        command = [sys.executable, *start, "-m", "heygen_hf", "train", str(scratch / "recipe.yaml"), *values]
        cases.append(Case(name, command, scratch / name))
    return cases


def start(case: Case, folder: Path, *more: str) -> subprocess.Popen:
    case.folder.mkdir(exist_ok=True)
    output = (case.folder / "output.txt").open("w")
    command = [*case.command, f"output_dir={folder}", *more]
    return subprocess.Popen(command, stdout=output, stderr=subprocess.STDOUT, start_new_session=True)


def last_line(case: Case) -> str:
    return ((case.folder / "output.txt").read_text().strip().splitlines() or ["nothing"])[-1]


def measure_reference(case: Case) -> None:
    """The run that is never killed, and how long its parts take."""
    folder = case.folder / "reference"
    began = time.monotonic()
    process = start(case, folder)
    marks = {"starting": folder / "log.jsonl", "training": folder / "checkpoints" / f"checkpoint-{STEPS}"}
    for name, mark in marks.items():
        while not mark.exists() and process.poll() is None:
            time.sleep(0.002)
        case.seconds[name] = time.monotonic() - began
        began = time.monotonic()
    if process.wait():
        raise SystemExit(f"{case.name} fails without being killed: {last_line(case)}")
    case.seconds["exporting"] = time.monotonic() - began


def kill_and_resume(case: Case, *, kills: int, chance: random.Random) -> None:
    """Runs, one after the other, until there were enough kills; the last one is left to finish."""
    folder = case.folder / f"run {case.runs}"
    done = 0
    while done < kills or folder.exists():
        process = start(case, folder, "--resume", "auto")
        instant = chance.choices(list(INSTANTS), list(INSTANTS.values()))[0] if done < kills else None
        if instant is not None and wait_for(instant, case, process, folder, chance):
            kill(process)
            done += 1
            case.kills[instant] = case.kills.get(instant, 0) + 1
            case.unreadable += [f"after {done} kills: {line}" for line in unreadable(folder / "checkpoints")]
            continue
        if process.wait():
            case.differences.append(f"after {done} kills it ends with an error: {last_line(case)}")
            return
        case.runs += 1
        case.differences += [f"after {done} kills: {line}" for line in differences(case.folder / "reference", folder)]
        folder = case.folder / f"run {case.runs}"


def wait_for(instant: str, case: Case, process: subprocess.Popen, folder: Path, chance: random.Random) -> bool:
    """Wait until the instant has come; False where the program ended before."""
    log, checkpoints = folder / "log.jsonl", folder / "checkpoints"
    before = log.stat().st_ino if log.exists() else None
    busy = [checkpoints / name for name in (".staging", ".discarded", ".replaced")]

    def until(reached: Any) -> None:
        while process.poll() is None and not reached():
            time.sleep(0.0005)

    def pause(seconds: float) -> None:
        end = time.monotonic() + seconds
        until(lambda: time.monotonic() >= end)

    def newest() -> int:
        return max((int(path.name.split("-")[1]) for path in checkpoints.glob("checkpoint-*")), default=0)

    if instant == "starting":
        pause(chance.uniform(0, case.seconds["starting"]))
    else:
        # By how far the run is and not by the clock alone: a busy machine must not move the kills behind its end.
        step = newest()
        target = STEPS if instant == "exporting" else min(step + SAVE_STEPS * chance.randrange(5), STEPS - SAVE_STEPS)
        until(lambda: log.exists() and log.stat().st_ino != before)  # the first step is near
        until(lambda: newest() >= target)
        part = case.seconds["exporting"] if instant == "exporting" else case.seconds["training"] * SAVE_STEPS / STEPS
        pause(chance.uniform(0, part))
        if instant == "saving":
            until(lambda: any(path.exists() for path in busy))
            pause(chance.uniform(0, 0.05))
    return process.poll() is None


def kill(process: subprocess.Popen) -> None:
    """SIGKILL to the program and all it started, and wait for the last of them to be gone."""
    family = [*psutil.Process(process.pid).children(recursive=True), psutil.Process(process.pid)]
    for member in family:
        try:
            member.kill()
        except psutil.NoSuchProcess:
            continue
    process.wait()
    psutil.wait_procs(family)


def unreadable(checkpoints: Path) -> list[str]:
    """Checkpoint folders that are not whole or do not load."""
    found = []
    for checkpoint in sorted(checkpoints.glob("checkpoint-*")):
        problem = checkpoint_problem(checkpoint)
        try:
            load_file(checkpoint / "model.safetensors")
            load_file(checkpoint / "ema.safetensors")
            torch.load(checkpoint / "optimizer.pt", weights_only=True)
            json.loads((checkpoint / "trainer_state.json").read_text())
        except Exception as error:
            problem = problem or str(error)
        if problem is not None:
            found.append(f"{checkpoint.name}: {problem}")
    return found


def differences(reference: Path, folder: Path) -> list[str]:
    """What differs between a run that was never killed and one that was."""
    names, others = files_of(reference), files_of(folder)
    found = [f"{name} is left over" for name in sorted(others - names)]
    found += [f"{name} is missing" for name in sorted(names - others)]
    exact = [
        name for name in sorted(names & others) if name.endswith((".safetensors", "optimizer.pt", "progress.json"))
    ]
    found += [f"{name} differs" for name in exact if digest(reference / name) != digest(folder / name)]
    if logged(reference) != logged(folder):
        found.append("log.jsonl differs")
    return found


def files_of(folder: Path) -> set[str]:
    return {path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file()}


def digest(file: Path) -> str:
    if file.suffix != ".safetensors":
        return hashlib.sha256(file.read_bytes()).hexdigest()
    # By what is in it: the entries of the file's header come in any order.
    found = hashlib.sha256()
    with safe_open(file, framework="pt") as tensors:
        found.update(repr(sorted((tensors.metadata() or {}).items())).encode())
        for name in sorted(tensors.keys()):
            value = tensors.get_tensor(name)
            found.update(f"{name} {value.dtype} {tuple(value.shape)}".encode())
            found.update(value.contiguous().flatten().view(torch.uint8).numpy().tobytes())
    return found.hexdigest()


def logged(folder: Path) -> list[dict[str, Any]]:
    """The log without what was measured by a clock."""
    entries = [json.loads(line) for line in (folder / "log.jsonl").read_text().splitlines()]
    return [{k: v for k, v in entry.items() if not any(part in k for part in SPEEDS)} for entry in entries]


if __name__ == "__main__":
    main()
