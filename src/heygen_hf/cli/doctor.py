"""`heygen-hf doctor`: the doctor's findings as a table or as JSON."""

import json
from pathlib import Path
from typing import Annotated

import typer

_STYLES = {"ok": "green", "note": "yellow", "broken": "bold red"}


def doctor(
    run: Annotated[
        Path | None, typer.Argument(help="A run's folder, finished or not; by default this machine is examined.")
    ] = None,
    gradients: Annotated[
        bool, typer.Option("--gradients", help="Check the gradients of the package's losses and layers instead.")
    ] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON in place of the table.")] = False,
) -> None:
    """What this machine has and what clashes, or how a run fares. Exit code 1 where something is broken."""
    if run is not None and gradients:
        raise ValueError("--gradients looks at the package, not at a run: leave one of them out")
    if run is not None:
        from heygen_hf.doctor.run import examine_run

        title, findings = f"heygen-hf doctor {run}", examine_run(run)
    elif gradients:
        from heygen_hf.doctor.gradients import examine_gradients

        title, findings = "heygen-hf doctor --gradients", examine_gradients()
    else:
        from heygen_hf.doctor import examine

        title, findings = "heygen-hf doctor", examine()
    broken = [finding for finding in findings if finding.state == "broken"]
    if as_json:
        report = {"ok": not broken, "findings": [finding.to_dict() for finding in findings]}
        typer.echo(json.dumps(report, indent=2))
    else:
        _print(title, findings)
    if broken:
        raise typer.Exit(1)


def _print(title: str, findings: list) -> None:
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    table = Table("", "", "found", title=Text(title), title_justify="left")
    for finding in findings:
        table.add_row(Text(finding.state, _STYLES[finding.state]), finding.subject, Text(finding.found))
    console = Console()
    console.print(table)
    for finding in findings:
        if finding.remedy is not None:  # below the table, unwrapped: made to be copied
            line = Text.assemble((f"{finding.subject}: ", _STYLES[finding.state]), finding.remedy)
            console.print(line, soft_wrap=True)
    if all(finding.state != "broken" for finding in findings):
        console.print("Nothing is broken.")
