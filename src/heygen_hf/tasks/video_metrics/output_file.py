"""Whether figures can be written where they are asked for: looked at before the work, not after it."""

import os
from pathlib import Path


def require_writable(file: Path) -> None:
    """Refuse a place to which no file can be written; nothing is made.

    Raises:
        ValueError: it is a folder, or lies under a file or in a folder that may not be written to.
    """
    try:
        if file.is_dir():
            raise ValueError(f"--output {file} is a folder; give a file in it, such as {file / 'figures.json'}")
        above = next(folder for folder in file.absolute().parents if folder.exists())
        is_folder = above.is_dir()
    except OSError as error:
        raise ValueError(f"--output {file} cannot be written ({error.strerror}); give another file") from None
    if not is_folder:
        raise ValueError(f"--output {file} lies under {above.name}, which is a file; give another file")
    if not os.access(above, os.W_OK | os.X_OK):
        raise ValueError(f"--output {file}: {above} may not be written to; give another file with --output")
