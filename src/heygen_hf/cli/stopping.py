"""What the commands say when they are stopped from outside."""

import os
from collections.abc import Iterator
from contextlib import contextmanager

import typer

from heygen_hf.cli.messages import close_progress_bars


@contextmanager
def saying_how_to_go_on(hint: str) -> Iterator[None]:
    """One line and an exit code, 128 and the signal's number as a shell has it: 130 for Ctrl-C, 143 for SIGTERM, 138
    for SIGUSR1. While a trainer trains it saves first, and says so itself."""
    from heygen_hf.training.checkpoints.preemption import Preempted, stopping_at_once

    try:
        with stopping_at_once():
            yield
    except KeyboardInterrupt:
        _say(f"interrupted; {hint}")
        raise typer.Exit(130) from None
    except Preempted as stop:
        if stop.step is None:
            _say(f"stopped by {stop.signal_name}; {hint}")
        raise typer.Exit(stop.code) from None


def _say(line: str) -> None:
    close_progress_bars()
    if os.environ.get("RANK", "0") == "0":
        typer.echo(line, err=True)
