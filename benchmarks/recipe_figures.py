"""The figures of finished runs as one Markdown table: `python benchmarks/recipe_figures.py outputs/*`.

Reads each run's `metrics.json` and `run.json`; runs nothing.
"""

import argparse
import json
from pathlib import Path


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("runs", nargs="+", type=Path, help="run folders, such as outputs/language_modeling")
    parser.add_argument("--notes", action="store_true", help="with each figure's note")
    options = parser.parse_args()
    print("| run | measure | group | value, 95 % interval | count |" + (" note |" if options.notes else ""))
    print("|---|---|---|---|---|" + ("---|" if options.notes else ""))
    for run in options.runs:
        metrics = read(run / "metrics.json")
        facts = read(run / "run.json")
        minutes = facts.get("training_seconds")
        took = "" if minutes is None else f", {minutes / 60:.1f} min of training"
        name = f"{run.name} ({facts.get('steps', '?')} steps{took}, {facts.get('num_parameters', 0) / 1e6:.1f} M)"
        for figure in metrics.get("figures", []):
            cells = [name, figure["name"], figure.get("group", "all"), value_of(figure), f"{figure.get('count', 0):,}"]
            print("| " + " | ".join(cells + ([figure.get("note", "")] if options.notes else [])) + " |")
            name = ""


def value_of(figure: dict) -> str:
    if "value" not in figure:
        return "not measured"
    bounds = "" if "interval" not in figure else f" [{', '.join(number(b, figure) for b in figure['interval'])}]"
    return number(figure["value"], figure) + bounds


def number(value: float, figure: dict) -> str:
    unit = figure.get("unit", "share")
    return f"{value:.1%}" if unit == "share" else f"{value:.4g} {unit}".rstrip()


def read(path: Path) -> dict:
    return json.loads(path.read_text(encoding="utf-8")) if path.is_file() else {}


if __name__ == "__main__":
    main()
