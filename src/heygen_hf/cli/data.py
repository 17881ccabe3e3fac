"""`heygen-hf data …`: embedded data sets as the folders that users have, encodings computed once, publishing."""

from pathlib import Path
from typing import Annotated, Literal

import typer

from heygen_hf.cli.push_options import Branch, CreatePR, LocalOnly, Private, Tag, Update

data_app = typer.Typer(
    help="Write an embedded data set to a folder; cache latents and text embeddings; publish a folder of clips.",
    no_args_is_help=True,
)


@data_app.command("moving-digits")
def moving_digits(
    output_dir: Annotated[Path, typer.Option(help="The folder to write: train/, validation/ and test/.")],
    num_train: Annotated[int | None, typer.Option(help="Training clips.", min=1)] = None,
    num_validation: Annotated[int | None, typer.Option(help="Validation clips.", min=1)] = None,
    num_test: Annotated[int | None, typer.Option(help="Test clips.", min=1)] = None,
    image_size: Annotated[int | None, typer.Option(help="Height and width in pixels.", min=1)] = None,
    num_frames: Annotated[int | None, typer.Option(help="Frames a clip.", min=1)] = None,
    frame_rate: Annotated[float | None, typer.Option(help="Frames a second.")] = None,
    digit_size: Annotated[int | None, typer.Option(help="Height of the digit in pixels.", min=1)] = None,
    motion: Annotated[
        Literal["linear", "bounce"] | None,
        typer.Option(help="Straight on, or turned back at the borders: then clips may be of any length."),
    ] = None,
    seed: Annotated[int | None, typer.Option(help="The same seed gives the same files.", min=0)] = None,
    overwrite: Annotated[bool, typer.Option("--overwrite", help="Replace what the folder holds.")] = False,
) -> None:
    """Render handwritten digits that move: .mp4 files with captions such as "a red 7 moves left"."""
    from heygen_hf.data import render_moving_digits

    options = {
        "num_train": num_train,
        "num_validation": num_validation,
        "num_test": num_test,
        "image_size": image_size,
        "num_frames": num_frames,
        "frame_rate": frame_rate,
        "digit_size": digit_size,
        "motion": motion,
        "seed": seed,
    }
    given = {name: value for name, value in options.items() if value is not None}
    folder = render_moving_digits(output_dir, overwrite=overwrite, **given)
    typer.echo(f"moving digits: {folder}")


@data_app.command("talking-faces")
def talking_faces(
    output_dir: Annotated[Path, typer.Option(help="The folder to write: train/, validation/ and test/.")],
    speech_dir: Annotated[
        Path | None, typer.Option(help="A folder of recordings (.wav, .flac …) to speak; else speech is made up.")
    ] = None,
    num_train: Annotated[int | None, typer.Option(help="Training clips.", min=1)] = None,
    num_validation: Annotated[int | None, typer.Option(help="Validation clips.", min=1)] = None,
    num_test: Annotated[int | None, typer.Option(help="Test clips.", min=1)] = None,
    num_identities: Annotated[int | None, typer.Option(help="Different faces, 80 % for training.", min=3)] = None,
    image_size: Annotated[int | None, typer.Option(help="Height and width in pixels.", min=1)] = None,
    num_frames: Annotated[int | None, typer.Option(help="Frames a clip.", min=1)] = None,
    frame_rate: Annotated[float | None, typer.Option(help="Frames a second.")] = None,
    sampling_rate: Annotated[int | None, typer.Option(help="Samples a second of the sound.", min=1)] = None,
    seed: Annotated[int | None, typer.Option(help="The same seed gives the same files.", min=0)] = None,
    overwrite: Annotated[bool, typer.Option("--overwrite", help="Replace what the folder holds.")] = False,
) -> None:
    """Render drawn faces that speak: .mp4 files with sound, whose mouths open as the speech is loud."""
    from heygen_hf.data.talking_faces import render_talking_faces

    options = {
        "num_train": num_train,
        "num_validation": num_validation,
        "num_test": num_test,
        "num_identities": num_identities,
        "image_size": image_size,
        "num_frames": num_frames,
        "frame_rate": frame_rate,
        "sampling_rate": sampling_rate,
        "seed": seed,
    }
    given = {name: value for name, value in options.items() if value is not None}
    folder = render_talking_faces(output_dir, speech_dir=speech_dir, overwrite=overwrite, **given)
    typer.echo(f"talking faces: {folder}")


@data_app.command("cache")
def cache(
    recipe: Annotated[Path, typer.Argument(help="A recipe that names model.autoencoder, model.text_encoder or both.")],
    overrides: Annotated[
        list[str] | None, typer.Argument(metavar="section.key=value", help="Values laid over the recipe's.")
    ] = None,
    verify: Annotated[
        bool, typer.Option("--verify", help="Read what is cached first, and encode anew what is damaged.")
    ] = False,
    delete_superseded: Annotated[
        bool,
        typer.Option("--delete-superseded", help="Delete the other caches beside these; other recipes may use them."),
    ] = False,
) -> None:
    """Compute latents and text embeddings once, for good; `train` on the same recipe then reads them.

    Killed, it goes on where it was. On several processes, of which each takes part:
    `torchrun --nproc_per_node 8 -m heygen_hf data cache …`
    """
    from heygen_hf.tasks.recipe_cacher import cache_recipe

    found = cache_recipe(recipe, overrides or [], verify=verify, delete_superseded=delete_superseded)
    if any(account.problems for accounts in found.values() for _, account in accounts):
        raise typer.Exit(1)  # named above; everything else is there


@data_app.command("push")
def push(
    folder: Annotated[Path, typer.Argument(help="Captioned clips in any layout, for example data/moving_digits.")],
    repo_id: Annotated[str, typer.Option(metavar="USER/NAME", help="The data set on the Hub.")],
    local_only: LocalOnly = False,
    private: Private = None,
    branch: Branch = None,
    tag: Tag = None,
    create_pr: CreatePR = False,
    update: Update = False,
    licence: Annotated[
        str | None, typer.Option("--license", help="Identifier such as cc-by-4.0; else the README's, or unknown.")
    ] = None,
    title: Annotated[str | None, typer.Option(help="Of the card, where the folder has no README.")] = None,
    caption_column: Annotated[str, typer.Option(help="Column of the metadata with the captions.")] = "text",
    leave_out: Annotated[
        list[str] | None, typer.Option(metavar="COLUMN", help="A column of the metadata that stays here; repeatable.")
    ] = None,
    also: Annotated[
        list[str] | None, typer.Option(metavar="FILE", help="One more file of the folder's top; repeatable.")
    ] = None,
    layout: Annotated[
        Literal["auto", "videofolder", "webdataset"],
        typer.Option(help="Files with metadata.jsonl, or tars; auto: files while the Hub takes so many."),
    ] = "auto",
    max_bad_share: Annotated[
        float, typer.Option(help="Share of the rows that may be unusable; they are left out and named.", min=0, max=1)
    ] = 0.1,
    keep_places: Annotated[
        bool, typer.Option("--keep-places", help="Publish clips whose tags say where they were recorded.")
    ] = False,
    repository: Annotated[
        Path | None,
        typer.Option("--folder", help="Where the repository's folder is written; FOLDER-repository by default."),
    ] = None,
    num_workers: Annotated[int | None, typer.Option(help="Processes that decode; one a core.", min=0)] = None,
) -> None:
    """Put a folder of captioned clips on the Hub: every clip decoded, pushed in one commit, loaded back and compared.

    What is pushed opens with `load_dataset("USER/NAME")`, and as `data.train: USER/NAME` in a recipe.
    """
    from heygen_hf.hub import PushOptions
    from heygen_hf.tasks.dataset_publishing import publish_dataset

    publish_dataset(
        folder,
        repo_id=repo_id,
        local_only=local_only,
        options=PushOptions(
            private=private,
            branch=branch,
            tag=tag,
            create_pr=create_pr,
            update=update,
            message="Publish a data set with heygen_hf",
        ),
        licence=licence,
        title=title,
        caption_column=caption_column,
        leave_out=leave_out or (),
        also=also or (),
        layout=layout,
        max_bad_share=max_bad_share,
        keep_places=keep_places,
        folder=repository,
        num_workers=num_workers,
        say=typer.echo,
    )
