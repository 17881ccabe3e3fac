"""What came of a search: a table, files for other programs, and the best trial's recipe."""

import csv
import io
import json
import sys
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from heygen_hf.tasks.recipe import Recipe, resolved_yaml
from heygen_hf.tasks.run_folder import write_json, write_text
from heygen_hf.tasks.search.folder import SearchFolder
from heygen_hf.tasks.search.space import drawn_values, with_values
from heygen_hf.tasks.search.study import CUT_OFF, FAILURE

_WIDE = 240
_STATES = {"COMPLETE": "completed", "PRUNED": "pruned", "FAIL": "failed", "RUNNING": "running", "WAITING": "waiting"}


def rows_of(trials: Sequence[Any], recipe: Recipe) -> list[dict[str, Any]]:
    """A row for each trial, as JSON holds it, in the order they began."""
    rows = []
    for trial in trials:
        reports = trial.intermediate_values
        failure = trial.user_attrs.get(FAILURE)
        rows.append(
            {
                "trial": trial.number,
                "state": failure if failure in CUT_OFF else _STATES[trial.state.name],
                "value": trial.value if trial.state.name == "COMPLETE" else None,
                "last_value": reports[max(reports)] if reports else None,
                "steps": trial.user_attrs.get("steps", 0),
                "seconds": trial.user_attrs.get("seconds"),
                "num_parameters": trial.user_attrs.get("num_parameters"),
                "values": drawn_values(trial.params, recipe.search.space),
                "failure": None if failure in CUT_OFF else failure,
            }
        )
    return rows


def best_row(rows: Sequence[Mapping[str, Any]], recipe: Recipe) -> Mapping[str, Any] | None:
    """The best completed trial; None where none is."""
    completed = [row for row in rows if row["value"] is not None]
    if not completed:
        return None
    sign = -1 if recipe.search.direction == "maximize" else 1
    return min(completed, key=lambda row: sign * row["value"])


def write_results(folder: SearchFolder, rows: Sequence[Mapping[str, Any]], recipe: Recipe) -> None:
    """`trials.json`, `trials.csv`, and `best.yaml` where a trial completed."""
    best = best_row(rows, recipe)
    summary = {
        "recipe": recipe.name,
        "metric": recipe.search.metric,
        "direction": recipe.search.direction,
        "best_trial": None if best is None else best["trial"],
        "trials": list(rows),
    }
    write_json(folder.path / "trials.json", summary)
    keys = list(recipe.search.space)
    columns = ["trial", "state", "value", "last_value", "steps", "seconds", "num_parameters"]
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow([*columns, *keys, "failure"])
    for row in rows:
        values = [_plain(row["values"].get(key)) for key in keys]
        writer.writerow([*(row[name] for name in columns), *values, row["failure"]])
    write_text(folder.path / "trials.csv", text.getvalue())
    if best is not None:
        found = replace(with_values(recipe, best["values"]), output_dir=_output_of_best(recipe))
        write_text(folder.best, resolved_yaml(found))


def print_results(folder: SearchFolder, rows: Sequence[Mapping[str, Any]], recipe: Recipe) -> None:
    """The trials from best to worst, the counts, the best one's figure and what to type to train it."""
    from rich.console import Console
    from rich.table import Table

    keys = list(recipe.search.space)
    sign = -1 if recipe.search.direction == "maximize" else 1
    table = Table(title=f"{recipe.search.metric}, to {recipe.search.direction}", title_justify="left", box=None)
    for name in ("trial", "state", "value", *(_short_name(key, keys) for key in keys), "steps", "s", "parameters"):
        table.add_column(name, justify="left" if name == "state" else "right", overflow="fold")
    for row in sorted(rows, key=lambda row: (row["value"] is None, sign * (row["value"] or 0), row["trial"])):
        value = row["value"] if row["value"] is not None else row["last_value"]
        shown = "" if value is None else f"{value:.5g}" if row["value"] is not None else f"({value:.5g})"
        cells = [_short(row["values"].get(key)) for key in keys]
        table.add_row(
            str(row["trial"]), row["state"], shown, *cells, str(row["steps"]), _short(row["seconds"]), _size(row)
        )
    # Whole lines where they go to a file; a terminal folds them.
    Console(width=None if sys.stdout.isatty() else _WIDE).print(table)
    counts = {state: sum(row["state"] == state for row in rows) for state in dict.fromkeys(r["state"] for r in rows)}
    print(", ".join(f"{count} {state}" for state, count in counts.items()))
    for reason, count in _reasons(rows).items():
        print(f"failed {count} ×: {reason}")
    best = best_row(rows, recipe)
    if best is not None:
        values = ", ".join(f"{key}={_short(value)}" for key, value in best["values"].items())
        print(f"best: trial {best['trial']}, {recipe.search.metric} {best['value']:.5g} with {values}")
        print(f"the search is in {folder.path}; train its best recipe with: heygen-hf train {folder.best}")


def _reasons(rows: Sequence[Mapping[str, Any]]) -> dict[str, int]:
    reasons: dict[str, int] = {}
    for row in rows:
        if row["failure"] is not None:
            reasons[row["failure"]] = reasons.get(row["failure"], 0) + 1
    return reasons


def _output_of_best(recipe: Recipe) -> Path:
    return recipe.output_dir.with_name(f"{recipe.output_dir.name}_best")


def _short_name(key: str, keys: Sequence[str]) -> str:
    """A key without its section where no other one is called so."""
    name = key.rpartition(".")[2]
    return key if sum(other.rpartition(".")[2] == name for other in keys) > 1 else name


def _size(row: Mapping[str, Any]) -> str:
    count = row["num_parameters"]
    return "" if count is None else f"{count / 1e6:.2f} M"


def _plain(value: Any) -> Any:
    return json.dumps(value) if isinstance(value, list | dict) else value


def _short(value: Any) -> str:
    if value is None:
        return ""
    return f"{value:.4g}" if isinstance(value, float) else str(_plain(value))
