"""`heygen-hf doctor`: the doctor's findings as a table or as JSON."""

import json
from typing import Annotated

import typer

_STYLES = {"ok": "green", "note": "yellow", "broken": "bold red"}


def doctor(
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON in place of the table.")] = False,
) -> None:
    """What this machine has, what clashes, and what to install. Exit code 1 where something is broken."""
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    from heygen_hf.doctor import examine

    findings = examine()
    broken = [finding for finding in findings if finding.state == "broken"]
    if as_json:
        report = {"ok": not broken, "findings": [finding.to_dict() for finding in findings]}
        typer.echo(json.dumps(report, indent=2))
    else:
        table = Table("", "", "found", title="heygen-hf doctor", title_justify="left")
        for finding in findings:
            table.add_row(Text(finding.state, _STYLES[finding.state]), finding.subject, Text(finding.found))
        console = Console()
        console.print(table)
        for finding in findings:
            if finding.remedy is not None:  # below the table, unwrapped: made to be copied
                line = Text.assemble((f"{finding.subject}: ", _STYLES[finding.state]), finding.remedy)
                console.print(line, soft_wrap=True)
        if not broken:
            console.print("Nothing is broken.")
    if broken:
        raise typer.Exit(1)
