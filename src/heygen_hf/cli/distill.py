"""`heygen-hf distill`: a finished run in fewer sampling steps."""

import sys
from pathlib import Path
from typing import Annotated

import typer

from heygen_hf.cli.train import command_line


def distill(
    run: Annotated[Path, typer.Argument(help="A finished run's folder, for example outputs/moving_digits.")],
    overrides: Annotated[
        list[str] | None,
        typer.Argument(metavar="section.key=value", help="Values laid over the recipe derived from the run's."),
    ] = None,
    to_steps: Annotated[int, typer.Option(help="Sampling steps of the student.", min=1)] = 4,
    output_dir: Annotated[Path | None, typer.Option(help="By default beside the run: RUN_4_steps.")] = None,
    overwrite: Annotated[
        bool, typer.Option("--overwrite", help="Replace a run that the output folder already holds.")
    ] = False,
) -> None:
    """Train a student that makes in a few steps, without guidance, what the run makes in many with it.

    The result is a run like any other; distill it again for fewer steps still.
    """
    from heygen_hf.tasks.distillation import distill as distill_run

    distill_run(
        run,
        overrides or [],
        to_steps=to_steps,
        output_dir=output_dir,
        overwrite=overwrite,
        command=command_line(sys.argv[1:]),
    )
