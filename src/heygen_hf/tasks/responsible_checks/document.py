"""What a check found, and `RUN/checks.json`, where all that was found of a model lies.

The file::

    {
      "format_version": 1,
      "checks": {
        "groups": CHECK, "paraphrase": CHECK, "corruption": CHECK, "memorization": CHECK      # those that were made
      }
    }

and a CHECK, every text of it plain and of one line::

    {
      "name": "groups",                      # its key
      "title": "Accuracy by group",          # of the table
      "applies": true,                       # false: the model has nothing to check here; `summary` says why, the
                                             # table is empty
      "summary": "The worst …",              # a sentence or two for a reader who reads nothing else
      "columns": ["figure", "group", …],     # headings of the table
      "rows": [["…", "…"], …],               # its cells as text, one for each heading
      "notes": ["…"],                        # what must be known to read the table; may be empty
      "figures": [MEASUREMENT, …],           # `heygen_hf.evaluation.Measurement.to_dict()`: each figure with its count,
                                             # interval, seed, features' hash, settings and versions; `details` says
                                             # which row it is of (`group_column` and `group`, `kind`, `corruption` and
                                             # `severity`, or `features`)
      "subject": {                           # what was checked
        "source": "moving_digits",           # the run's folder, without the path to it
        "weights": "…",                      # hash of the model's weights; absent of a folder of videos
        "count": 256, …                      # and how the videos were made
      },
      "details": {…},                        # whatever else was found, see each check
      "files": ["evaluation/nearest.png"]    # pictures beside it, relative to the file's folder; may be empty
    }
"""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.table import Table

from heygen_hf.evaluation import Measurement
from heygen_hf.tasks.run_folder import write_json

FORMAT_VERSION = 1
CHECKS_FILE = "checks.json"
CHECKS = ("groups", "paraphrase", "corruption", "memorization")


@dataclass(frozen=True, kw_only=True)
class Check:
    """One check; the fields are those of the module's docstring."""

    name: str
    title: str
    summary: str
    columns: Sequence[str] = ()
    rows: Sequence[Sequence[str]] = ()
    figures: Sequence[Measurement] = ()
    notes: Sequence[str] = ()
    subject: Mapping[str, Any] = field(default_factory=dict)
    details: Mapping[str, Any] = field(default_factory=dict)
    files: Sequence[str] = ()
    applies: bool = True

    def to_dict(self) -> dict[str, Any]:
        """Plain values, for JSON."""
        return {
            "name": self.name,
            "title": self.title,
            "applies": self.applies,
            "summary": self.summary,
            "columns": list(self.columns),
            "rows": [list(row) for row in self.rows],
            "notes": list(self.notes),
            "figures": [figure.to_dict() for figure in self.figures],
            "subject": dict(self.subject),
            "details": dict(self.details),
            "files": list(self.files),
        }

    def print(self) -> None:
        """The table, what it comes to, and what must be known to read it."""
        console = Console()
        if self.rows:
            table = Table(title=self.title)
            for heading in self.columns:
                table.add_column(heading, overflow="fold")
            for row in self.rows:
                table.add_row(*row)
            console.print(table)
        for line in (f"{self.name}: {self.summary}", *self.notes):
            console.print(line, highlight=False, markup=False, soft_wrap=True)


def not_applicable(name: str, title: str, why: str, *, subject: Mapping[str, Any] | None = None) -> Check:
    """A check that there is nothing to make of this model."""
    return Check(name=name, title=title, summary=why, applies=False, subject=subject or {})


def read_checks(file: str | Path) -> dict[str, dict[str, Any]]:
    """Name → check, as the module's docstring has it; empty where there is no such file.

    Raises:
        ValueError: it is of another format, or none of these files.
    """
    path = Path(file)
    if not path.is_file():
        return {}
    try:
        found = json.loads(path.read_text(encoding="utf-8"))
        version, checks = found["format_version"], found["checks"]
    except (ValueError, KeyError, TypeError):
        version, checks = None, None
    if version != FORMAT_VERSION or not isinstance(checks, dict):
        raise ValueError(f"{path.name} holds no checks of format {FORMAT_VERSION}; remove it and make them again")
    return checks


def write_checks(file: str | Path, checks: Sequence[Check]) -> None:
    """Write them beside those that are there already of the same model; others are of another model, and go."""
    path = Path(file)
    made = {check.name: check.to_dict() for check in checks}
    weights = {check.subject.get("weights") for check in checks}
    try:
        earlier = read_checks(path)
    except ValueError:
        earlier = {}
    kept = {name: check for name, check in earlier.items() if {_weights(check)} == weights}
    together = {**kept, **made}
    ordered = {name: together[name] for name in CHECKS if name in together}
    write_json(path, {"format_version": FORMAT_VERSION, "checks": ordered})


def _weights(check: Any) -> Any:
    subject = check.get("subject") if isinstance(check, dict) else None
    return subject.get("weights") if isinstance(subject, dict) else None
