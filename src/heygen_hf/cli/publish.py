"""`heygen-hf publish`: put a run's model on the Hub."""

from pathlib import Path
from typing import Annotated

import typer

from heygen_hf.cli.push_options import Branch, CreatePR, LocalOnly, Private, Tag, Update


def publish(
    run: Annotated[Path, typer.Argument(help="A run's folder, for example outputs/moving_digits.")],
    repo_id: Annotated[str, typer.Option(metavar="USER/NAME", help="The repository on the Hub.")],
    local_only: LocalOnly = False,
    private: Private = None,
    branch: Branch = None,
    tag: Tag = None,
    create_pr: CreatePR = False,
    update: Update = False,
    licence: Annotated[
        str | None, typer.Option("--license", help="Identifier such as apache-2.0, in place of the card's.")
    ] = None,
    base_model: Annotated[
        str | None, typer.Option(metavar="USER/NAME[@REVISION]", help="Of an adapter: its base on the Hub.")
    ] = None,
    space: Annotated[
        str | None, typer.Option(metavar="USER/NAME", help="Also make a Space to try the model on (extra demo).")
    ] = None,
    folder: Annotated[
        Path | None, typer.Option(help="Where the repository's folder is written; RUN/repository by default.")
    ] = None,
) -> None:
    """Check a run's model as others will load it, push it in one commit, and check what was pushed.

    What is pushed loads with `heygen_hf` and, by the code beside it, without.
    """
    from heygen_hf.hub import PushOptions
    from heygen_hf.tasks.demo import check_space_possible, publish_space
    from heygen_hf.tasks.publishing import publish_run

    if space is not None:
        check_space_possible(run, space)
    options = PushOptions(private=private, branch=branch, tag=tag, create_pr=create_pr, update=update)
    published = publish_run(
        run,
        repo_id=repo_id,
        local_only=local_only,
        options=options,
        licence=licence,
        base_model=base_model,
        folder=folder,
        say=typer.echo,
    )
    if space is not None:
        publish_space(
            run,
            repo_id=repo_id,
            space_id=space,
            model_folder=published.folder,
            revision=published.pushed.revision if published.pushed else None,
            options=options,
            say=typer.echo,
        )
