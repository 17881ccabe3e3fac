"""The files that a card points to: the JSON with its figures, and the pictures of its checks."""

import json
from pathlib import Path

from heygen_hf.hub.card.checks import CHECKS_FILE, checks_in
from heygen_hf.hub.card.measured_files import measured_files
from heygen_hf.hub.card.privacy import scrub_values

FACTS_FILE = "run.json"
METRICS_FILE = "metrics.json"


def json_beside(folder: str | Path) -> list[str]:
    """Names, relative to the folder, of the JSON files in which a reader finds a card's figures."""
    folder = Path(folder)
    names = [FACTS_FILE, METRICS_FILE, *measured_files(folder), CHECKS_FILE]
    return [name for name in names if (folder / name).is_file()]


def files_beside(folder: str | Path) -> list[str]:
    """`json_beside`, and what the checks show."""
    pictures = [name for check in checks_in(folder) for name in check.files]
    return list(dict.fromkeys([*json_beside(folder), *pictures]))


def copy_scrubbed(source: Path, target: Path) -> None:
    """Copy a JSON file without what must not leave this machine.

    Raises:
        ValueError: it cannot be read as JSON.
    """
    try:
        values = json.loads(source.read_text(encoding="utf-8"))
    except ValueError as error:
        raise ValueError(f"{source.name} in {source.parent} cannot be read as JSON ({error}).") from error
    target.parent.mkdir(parents=True, exist_ok=True)
    target.write_text(json.dumps(scrub_values(values), indent=2, ensure_ascii=False) + "\n", encoding="utf-8")
