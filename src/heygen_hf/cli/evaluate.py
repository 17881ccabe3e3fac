"""`heygen-hf evaluate`: measure a run's exported model."""

from pathlib import Path
from typing import Annotated

import typer


def evaluate(
    run: Annotated[Path, typer.Argument(help="A run's folder, for example outputs/moving_digits.")],
    num_videos_per_prompt: Annotated[
        int | None, typer.Option(help="Videos for each prompt; the recipe's where left out.", min=1)
    ] = None,
    limit: Annotated[int | None, typer.Option(help="At most this many prompts.", min=1)] = None,
    seed: Annotated[int | None, typer.Option(help="The recipe's where left out.", min=0)] = None,
    output: Annotated[
        Path | None, typer.Option(help="Where the figures are written; RUN/metrics.json where left out.")
    ] = None,
) -> None:
    """Generate from the test captions, measure the videos, print the table and write it as JSON."""
    from heygen_hf.tasks.text_to_video import evaluate as evaluate_run

    evaluate_run(run, num_videos_per_prompt=num_videos_per_prompt, limit=limit, seed=seed, output=output)
