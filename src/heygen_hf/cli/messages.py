"""What the commands say on stderr: one plain line each, never at the end of a progress bar."""

import sys
import warnings
from typing import Any


def close_progress_bars() -> None:
    """End the bars that are still drawn; what is written next starts on a line of its own."""
    tqdm = sys.modules.get("tqdm")
    for bar in list(getattr(getattr(tqdm, "tqdm", None), "_instances", ())):
        bar.close()


def show_warnings_plainly() -> None:
    """`warning: …` in place of a path, a number and a line of source, for what is meant for users."""
    usual = warnings.formatwarning

    def format_plainly(message: Any, category: type[Warning], *args: Any, **options: Any) -> str:
        if category is not UserWarning:  # of developers, who want to know where
            return usual(message, category, *args, **options)
        return f"warning: {' '.join(str(message).split())}\n"

    warnings.formatwarning = format_plainly
