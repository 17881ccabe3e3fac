"""`heygen-hf search`: hyper-parameters and architecture by optuna."""

from pathlib import Path
from typing import Annotated

import typer

from heygen_hf.cli.stopping import saying_how_to_go_on


def search(
    recipe: Annotated[Path, typer.Argument(help="A recipe with a `search:` section.")],
    overrides: Annotated[
        list[str] | None, typer.Argument(metavar="section.key=value", help="Values laid over the recipe's.")
    ] = None,
    trials: Annotated[int, typer.Option(help="Trials in all, those of a search that goes on included.")] = 20,
    resume: Annotated[
        str,
        typer.Option(metavar="auto|none", help="Go on with the search in the folder; several processes may share it."),
    ] = "none",
    overwrite: Annotated[bool, typer.Option("--overwrite", help="Replace the search that the folder holds.")] = False,
    output: Annotated[
        Path | None, typer.Option(help="The search's folder; by default the recipe's output_dir with _search behind.")
    ] = None,
) -> None:
    """Train a recipe many times in short, each with other values, and write the recipe of the best."""
    from heygen_hf.tasks.search import search_recipe

    if resume != "none" and overwrite:
        raise ValueError(f"--resume {resume} keeps the search and --overwrite deletes it: give one of them")
    with saying_how_to_go_on("continue with --resume auto"):
        search_recipe(recipe, overrides or [], trials=trials, resume=resume, overwrite=overwrite, output=output)
