"""From a run's folder to `report.html`: read, draw, embed, write."""

from collections.abc import Mapping, Sequence
from importlib import resources
from pathlib import Path
from typing import Any

import jinja2

from heygen_hf._optional import require
from heygen_hf.hub import scrub, scrub_command
from heygen_hf.tasks.run_folder import write_text
from heygen_hf.tasks.run_report.contents import embedded, fate_of_data, figures_of, replaced_clips, samples_of
from heygen_hf.tasks.run_report.curves import draw_curves, draw_histograms
from heygen_hf.training.debugging.run_records import RunRecords, read_run

REPORT = "report.html"


def write_report(
    run: str | Path, *, output: str | Path | None = None, findings: Sequence[Mapping[str, Any]] = ()
) -> Path:
    """Write the run on one page; finished runs and unfinished ones.

    The page needs no other file and no network, and holds no path, name or secret of this machine.

    Args:
        run: the folder.
        output: the page's path; by default `report.html` in the folder.
        findings: of a doctor: `state`, `subject`, `found`, `remedy`.

    Returns:
        The page's path.

    Raises:
        ValueError: there is no run.
        ImportError: matplotlib is not installed.
    """
    require("matplotlib")
    records = read_run(run)
    path = records.path / REPORT if output is None else Path(output)
    if path.is_dir():
        path = path / REPORT
    curves = draw_curves(records)
    histogram_file = records.path / "histograms.jsonl"
    histograms = draw_histograms(histogram_file.read_text(encoding="utf-8")) if histogram_file.is_file() else None
    recipe_file = records.path / "recipe.yaml"
    command = records.facts.get("command")
    template = (resources.files("heygen_hf.tasks.run_report") / "report.html").read_text(encoding="utf-8")
    environment = jinja2.Environment(autoescape=True, undefined=jinja2.StrictUndefined, trim_blocks=True)
    page = environment.from_string(template).render(
        title=scrub(records.path.resolve().name),
        standing=_standing(records),
        findings=[_scrubbed(finding) for finding in findings],
        curves=None if curves is None else embedded("curves", curves),
        histograms=None if histograms is None else embedded("histograms", histograms),
        samples=samples_of(records),
        figures=figures_of(records),
        data=fate_of_data(records),
        replaced=replaced_clips(records),
        environment=_environment(records),
        command=scrub_command(command) if command else None,
        recipe=scrub(recipe_file.read_text(encoding="utf-8")) if recipe_file.is_file() else None,
    )
    write_text(path, page)
    return path


def _scrubbed(finding: Mapping[str, Any]) -> dict[str, Any]:
    return {name: scrub(value) if isinstance(value, str) else value for name, value in finding.items()}


def _standing(run: RunRecords) -> str:
    steps, wanted = run.facts.get("steps", run.last_step), run.max_steps
    of = f" of {wanted:,}" if wanted is not None else ""
    task = f"{run.recipe['task']}, " if run.recipe.get("task") else ""
    if not run.facts:
        return f"{task}step {steps:,}{of}: not finished."
    return f"{task}{steps:,}{of} steps, {run.facts.get('num_parameters', 0):,} parameters."


def _environment(run: RunRecords) -> list[tuple[str, str]]:
    facts = run.facts
    rows = {
        "samples seen": facts.get("samples_seen"),
        "training, seconds": facts.get("training_seconds"),
        "resumed at step": facts.get("resumed_at_step"),
        "validation loss": facts.get("validation_loss"),
        "data": facts.get("data"),
        **(facts.get("hardware") or {}),
        **(facts.get("versions") or {}),
    }
    return [(name, scrub(str(value))) for name, value in rows.items() if value is not None]
