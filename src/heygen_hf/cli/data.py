"""`heygen-hf data …`: embedded data sets as the folders that users have, and encodings computed once for good."""

from pathlib import Path
from typing import Annotated, Literal

import typer

data_app = typer.Typer(
    help="Write an embedded data set to a folder; cache latents and text embeddings.", no_args_is_help=True
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
