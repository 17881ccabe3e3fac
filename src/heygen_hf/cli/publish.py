"""`heygen-hf publish`: put a run's model on the Hub."""

from pathlib import Path
from typing import Annotated

import typer


def publish(
    run: Annotated[Path, typer.Argument(help="A run's folder, for example outputs/moving_digits.")],
    repo_id: Annotated[str, typer.Option(metavar="USER/NAME", help="The repository on the Hub.")],
    local_only: Annotated[
        bool, typer.Option("--local-only", help="Write and check the repository's folder, and stop before the push.")
    ] = False,
    private: Annotated[
        bool | None, typer.Option("--private/--public", help="Of a repository that is created; the account's default.")
    ] = None,
    branch: Annotated[str | None, typer.Option(help="Push to this branch instead of main.")] = None,
    tag: Annotated[str | None, typer.Option(help="Give the new revision this tag.")] = None,
    create_pr: Annotated[
        bool, typer.Option("--create-pr", help="Open a pull request instead of changing main.")
    ] = False,
    update: Annotated[
        bool, typer.Option("--update", help="Change a repository that holds files; those that are no more are removed.")
    ] = False,
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
