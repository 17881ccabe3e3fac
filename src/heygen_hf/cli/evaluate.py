"""`heygen-hf evaluate`: measure a run's exported model."""

from pathlib import Path
from typing import Annotated

import typer


def evaluate(
    run: Annotated[Path, typer.Argument(help="A run's folder, for example outputs/moving_digits.")],
    overrides: Annotated[
        list[str] | None,
        typer.Argument(
            metavar="section.key=value", help="Values laid over the run's recipe, such as data.train=other/place."
        ),
    ] = None,
    num_videos_per_prompt: Annotated[
        int | None, typer.Option(help="Videos for each prompt; the recipe's where left out.", min=1)
    ] = None,
    limit: Annotated[int | None, typer.Option(help="At most this many prompts.", min=1)] = None,
    seed: Annotated[int | None, typer.Option(help="The recipe's where left out.", min=0)] = None,
    output: Annotated[
        Path | None,
        typer.Option(
            help="Where the figures are written; by default RUN/metrics.json, or RUN/evaluation/overridden.json."
        ),
    ] = None,
) -> None:
    """Measure a run's model with its recipe's data, print the table and write it as JSON."""
    from heygen_hf.tasks import evaluate_recipe_run

    evaluate_recipe_run(
        run, overrides or [], num_videos_per_prompt=num_videos_per_prompt, limit=limit, seed=seed, output=output
    )
