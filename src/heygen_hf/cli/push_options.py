"""Options of the commands that push to the Hub."""

from typing import Annotated

import typer

LocalOnly = Annotated[
    bool, typer.Option("--local-only", help="Write and check the repository's folder, and stop before the push.")
]
Private = Annotated[
    bool | None, typer.Option("--private/--public", help="Of a repository that is created; the account's default.")
]
Branch = Annotated[str | None, typer.Option(help="Push to this branch instead of main.")]
Tag = Annotated[str | None, typer.Option(help="Give the new revision this tag.")]
CreatePR = Annotated[bool, typer.Option("--create-pr", help="Open a pull request instead of changing main.")]
Update = Annotated[
    bool, typer.Option("--update", help="Change a repository that holds files; those that are no more are removed.")
]
