"""`heygen-hf`: the commands put together, and errors as one line.

Commands import what they run inside themselves, so `heygen-hf --help` loads neither torch nor transformers.
"""

import os
import sys
import traceback
from pathlib import Path
from typing import Annotated, NoReturn

import typer
from rich.console import Console
from rich.text import Text

from heygen_hf.cli.card import card
from heygen_hf.cli.data import data_app
from heygen_hf.cli.demo import demo
from heygen_hf.cli.distill import distill
from heygen_hf.cli.doctor import doctor
from heygen_hf.cli.evaluate import evaluate
from heygen_hf.cli.generate import generate
from heygen_hf.cli.messages import close_progress_bars, hide_remarks_at_import, show_warnings_plainly
from heygen_hf.cli.plan import plan
from heygen_hf.cli.publish import publish
from heygen_hf.cli.report import report
from heygen_hf.cli.search import search
from heygen_hf.cli.train import train

app = typer.Typer(
    name="heygen-hf",
    help="Train, evaluate and publish video generators with the Hugging Face tools you already know.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    rich_markup_mode="markdown",
)


def _print_version(wanted: bool) -> None:
    if wanted:
        from heygen_hf import __version__

        typer.echo(__version__)
        raise typer.Exit


@app.callback()
def _options(
    # Declared for --help; `main` takes it out of the arguments first, wherever it stands.
    debug: Annotated[
        bool, typer.Option("--debug", help="Show the whole traceback of an error (or HEYGEN_HF_DEBUG=1).")
    ] = False,
    version: Annotated[
        bool, typer.Option("--version", callback=_print_version, is_eager=True, help="Print the version.")
    ] = False,
) -> None:
    pass


app.add_typer(data_app, name="data")
app.command()(doctor)
app.command()(plan)
app.command()(train)
app.command()(search)
app.command()(report)
app.command()(distill)
app.command()(generate)
app.command()(evaluate)
app.command()(card)
app.command()(publish)
app.command()(demo)

# What a user can put right. Anything else is a bug and keeps its traceback.
_USER_ERRORS = (
    ValueError,
    ImportError,
    OSError,  # a missing file, no permission, a full disk
)


def main() -> NoReturn:
    """The console script. Exit codes: 0 done, 1 something is broken, 2 the input cannot be used."""
    # Read when torch loads its OpenMP. By default its threads spin while they wait for each other, and a step on all
    # cores slows down many times over as soon as anything else wants one of them.
    os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")
    arguments = sys.argv[1:]
    debug = os.environ.get("HEYGEN_HF_DEBUG", "") not in ("", "0") or "--debug" in arguments
    arguments = [argument for argument in arguments if argument != "--debug"]
    if not debug:
        show_warnings_plainly()
        hide_remarks_at_import()
    try:
        app(args=arguments, prog_name="heygen-hf")
    except _USER_ERRORS as error:
        if debug or (isinstance(error, ImportError) and (error.name or "").startswith("heygen_hf")):
            raise  # an import of our own that fails is a bug
        print_error(error)
        raise SystemExit(2) from error
    raise SystemExit(0)


def print_error(error: BaseException) -> None:
    """`error: …` on one line of stderr, in red where stderr is a terminal."""
    message = " ".join(str(error).split()) or type(error).__name__
    if isinstance(error, ModuleNotFoundError):
        message = f"{message} (heygen-hf doctor says what to install)"
    elif not _raised_here(error):
        message = f"{type(error).__name__}: {message} (--debug shows where)"
    close_progress_bars()
    Console(stderr=True, soft_wrap=True, highlight=False).print(Text(f"error: {message}", style="bold red"))


def _raised_here(error: BaseException) -> bool:
    """Whether our code raised it, with a message written for users; a library's may need its traceback."""
    frames = list(traceback.walk_tb(error.__traceback__))
    package = Path(__file__).resolve().parents[1]
    return bool(frames) and Path(frames[-1][0].f_code.co_filename).resolve().is_relative_to(package)
