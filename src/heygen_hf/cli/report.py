"""`heygen-hf report`: a run on one page."""

from pathlib import Path
from typing import Annotated

import typer


def report(
    run: Annotated[Path, typer.Argument(help="A run's folder, finished or not.")],
    output: Annotated[Path | None, typer.Option(help="The page's path; by default report.html in the folder.")] = None,
) -> None:
    """Write curves, samples, figures, data, recipe and environment of a run to one page that needs no other file."""
    from heygen_hf.doctor.run import examine_run
    from heygen_hf.tasks.run_report import write_report

    findings = [finding.to_dict() for finding in examine_run(run)]
    path = write_report(run, output=output, findings=findings)
    typer.echo(f"the report: {path}")
