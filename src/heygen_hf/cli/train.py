"""`heygen-hf train`: run a recipe."""

import os
import sys
from pathlib import Path
from typing import Annotated

import typer

from heygen_hf.cli.stopping import saying_how_to_go_on


def train(
    recipe: Annotated[Path, typer.Argument(help="A recipe, for example recipes/text_to_video/moving_digits.yaml.")],
    overrides: Annotated[
        list[str] | None,
        typer.Argument(metavar="section.key=value", help="Values laid over the recipe's."),
    ] = None,
    resume: Annotated[
        str,
        typer.Option(
            metavar="auto|none|PATH",
            help="Go on from the run's newest checkpoint where there is one (auto), or from the one at PATH.",
        ),
    ] = "none",
    overwrite: Annotated[
        bool, typer.Option("--overwrite", help="Replace a run that the output folder already holds.")
    ] = False,
    overfit_one_batch: Annotated[
        bool,
        typer.Option(
            "--overfit-one-batch",
            help="Only see whether the recipe learns one batch by heart, in a folder beside the run's.",
        ),
    ] = False,
) -> None:
    """Train what a recipe describes, export it, evaluate it and write its card.

    On several processes:
    `accelerate launch --config_file recipes/accelerate/<machine>.yaml -m heygen_hf train …`

    SIGTERM and SIGUSR1 save at the end of the step and exit with 143 or 138; `--resume auto` then goes on exactly.
    Under torchrun and accelerate the launcher exits with a code of its own: go by the line "preempted by …".
    """
    from heygen_hf.tasks import run_recipe

    if overfit_one_batch:
        _overfit_one_batch(recipe, overrides or [], others=resume != "none" or overwrite)
        return
    with saying_how_to_go_on("continue with --resume auto"):
        run_recipe(
            recipe,
            overrides or [],
            resume=None if resume == "none" else resume,
            overwrite=overwrite,
            command=command_line(sys.argv[1:]),
        )


def _overfit_one_batch(recipe: Path, overrides: list[str], *, others: bool) -> None:
    from heygen_hf.tasks.overfitting import overfit_one_batch

    if others:
        raise ValueError("--overfit-one-batch starts anew in a folder of its own: leave out --resume and --overwrite")
    with saying_how_to_go_on("start it again: it takes little time"):
        result = overfit_one_batch(recipe, overrides)
    typer.echo(result.line())
    if result.verdict == "stuck":
        raise typer.Exit(1)


def command_line(arguments: list[str]) -> list[str]:
    """What to type to run this again, for the run's records: no path of this machine's Python in it."""
    processes = int(os.environ.get("WORLD_SIZE", "1"))
    if processes > 1:  # started by accelerate or torchrun; the launcher's own command line is not known here
        return ["torchrun", "--nproc_per_node", str(processes), "-m", "heygen_hf", *arguments]
    return ["heygen-hf", *arguments]
