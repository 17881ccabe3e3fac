"""`heygen-hf card`: write a run's model card again."""

from pathlib import Path
from typing import Annotated

import typer


def card(
    run: Annotated[Path, typer.Argument(help="A run's folder, for example outputs/moving_digits.")],
    copy_to: Annotated[
        Path | None,
        typer.Option(
            metavar="FOLDER",
            help="Also copy the card with the JSON of its figures, its pictures and its sample videos to this folder: "
            "an empty one, or one that an earlier copy made.",
        ),
    ] = None,
) -> None:
    """Write a run's card (README.md) again, with the figures and checks that were added since it was trained.

    It is written from the run's own files: recipe.yaml, run.json, metrics.json, evaluation/metrics_….json, checks.json.
    """
    from heygen_hf.tasks.cards import check_copy_target, copy_card, rewrite_card

    if copy_to is not None:
        check_copy_target(run, copy_to)  # before anything is written
    path = rewrite_card(run)
    typer.echo(f"the card is in {path}")
    if copy_to is not None:
        typer.echo(f"{len(copy_card(run, copy_to))} files are in {copy_to}")
