"""What the commands say on stderr: one plain line each, never at the end of a progress bar."""

import logging
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


# What these say while they are imported, whether or not a run has to do with it.
_REMARKS_AT_IMPORT = (
    "bitsandbytes.backends.cpu.ops",  # 4-bit products would be faster with another package
)


def hide_remarks_at_import() -> None:
    """Leave out what libraries say of parts of theirs that nobody asked for."""
    for name in _REMARKS_AT_IMPORT:
        logging.getLogger(name).setLevel(logging.ERROR)
