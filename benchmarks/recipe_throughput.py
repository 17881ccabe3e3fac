"""How many clips a second two recipes train on, turn by turn on one machine.

Each turn is `heygen-hf train RECIPE` for a few steps into a temporary folder, without validation, samples and
evaluation; what it reads is the trainer's own `samples_per_second`, of the steps after the first ones, in which blocks
are compiled and workers start. The turns alternate, so that a machine that slows down slows both.

    python benchmarks/recipe_throughput.py recipes/text_to_video/moving_digits{,_latent}.yaml

The last line is JSON: `samples_per_second` of each turn by recipe, their medians, and `ratio`, the second's median over
the first's; `ratios` has one for each pair of neighbouring turns.
"""

import argparse
import json
import statistics
import subprocess
import sys
import tempfile
from pathlib import Path

LOGGED_EVERY = 25
SKIPPED_LOGS = 2


def samples_per_second(recipe: str, *, steps: int, folder: Path, overrides: list[str]) -> float:
    """Of one turn."""
    settings = {
        "output_dir": folder,
        "training.max_steps": steps,
        "training.logging_steps": LOGGED_EVERY,
        "training.eval_strategy": "no",
        "training.save_strategy": "no",
        "training.sample_steps": steps + 1,
        "evaluation.enabled": "false",
        "generation.num_samples": 1,
    }
    command = [sys.executable, "-m", "heygen_hf", "train", recipe, *overrides]
    command += [f"{key}={value}" for key, value in settings.items()]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode:
        sys.exit(f"{recipe} failed:\n{done.stderr[-2000:]}")
    logs = [json.loads(line) for line in (folder / "log.jsonl").read_text().splitlines()]
    rates = [log["samples_per_second"] for log in logs if "samples_per_second" in log]
    return statistics.median(rates[SKIPPED_LOGS:])


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("recipes", nargs=2)
    parser.add_argument("overrides", nargs="*", help="section.key=value for both")
    parser.add_argument("--steps", type=int, default=200)
    parser.add_argument("--rounds", type=int, default=3)
    options = parser.parse_args()

    found: dict[str, list[float]] = {recipe: [] for recipe in options.recipes}
    with tempfile.TemporaryDirectory() as name:
        for turn in range(options.rounds):
            for number, recipe in enumerate(options.recipes):
                folder = Path(name) / f"{turn}_{number}"
                rate = samples_per_second(recipe, steps=options.steps, folder=folder, overrides=options.overrides)
                found[recipe].append(rate)
                print(f"{recipe}: {rate:.1f} clips/s")
    first, second = (found[recipe] for recipe in options.recipes)
    print(
        json.dumps(
            {
                "samples_per_second": found,
                "medians": {recipe: statistics.median(rates) for recipe, rates in found.items()},
                "ratio": round(statistics.median(second) / statistics.median(first), 3),
                "ratios": [round(b / a, 3) for a, b in zip(first, second, strict=True)],
                "steps": options.steps,
            }
        )
    )


if __name__ == "__main__":
    main()
