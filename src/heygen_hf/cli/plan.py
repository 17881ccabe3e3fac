"""`heygen-hf plan`: what a recipe would do with every file, before it does it."""

import json
from pathlib import Path
from typing import Annotated

import typer


def plan(
    recipe: Annotated[Path, typer.Argument(help="A recipe, for example recipes/text_to_video/video_folder.yaml.")],
    overrides: Annotated[
        list[str] | None, typer.Argument(metavar="section.key=value", help="Values laid over the recipe's.")
    ] = None,
    json_path: Annotated[
        Path | None, typer.Option("--json", help="Write the whole plan to this file; - prints it instead of the table.")
    ] = None,
    all_rows: Annotated[bool, typer.Option("--all", help="Show every file in the table.")] = False,
    measure: Annotated[
        bool, typer.Option("--step/--no-step", help="Take a few real steps to measure time and memory.")
    ] = True,
) -> None:
    """Say what happens to every file, how many steps an epoch has, and what a step costs. Nothing is trained."""
    from heygen_hf.tasks.plan_table import print_plan
    from heygen_hf.tasks.recipe_planner import plan_recipe

    if json_path == Path("-"):
        import contextlib
        import sys

        with contextlib.redirect_stdout(sys.stderr):  # whatever else is said must not spoil the JSON
            found = plan_recipe(recipe, overrides or [], measure=measure)
        typer.echo(json.dumps(found, indent=1))
        return
    found = plan_recipe(recipe, overrides or [], measure=measure)
    print_plan(found, all_rows=all_rows)
    if json_path is not None:
        json_path.parent.mkdir(parents=True, exist_ok=True)
        json_path.write_text(json.dumps(found, indent=1) + "\n", encoding="utf-8")
        typer.echo(f"the whole plan: {json_path}")
