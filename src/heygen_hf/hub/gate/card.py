"""The card: metadata that the Hub takes, a licence, and nothing of this machine."""

import json
import re
from pathlib import Path
from urllib.parse import unquote

import yaml
from huggingface_hub import ModelCard
from huggingface_hub.errors import HfHubHTTPError

from heygen_hf.hub.card.privacy import scrub, scrub_values
from heygen_hf.hub.card.text import unescape_markdown
from heygen_hf.hub.gate.finding import Check

_UNKNOWN = {"", "unknown", "none", "null"}
_TEXTS = (
    "README.md",
    "run.json",
    "metrics*.json",
    "checks.json",
    "reference.json",
    "config.json",
    "model_index.json",
    "adapter_config.json",
    "base_pipeline.json",
)


def check_card(folder: Path) -> list[Check]:
    """The card of a repository's folder, and that its texts name nothing of this machine."""
    path = folder / "README.md"
    if not path.is_file():
        return [Check("card", "there is no README.md: the run has not finished; finish it with --resume auto")]
    text = path.read_text(encoding="utf-8")
    return [
        Check("card: metadata", _metadata_problem(text)),
        Check("card: licence", _licence_problem(text)),
        Check("card: pictures", _picture_problem(folder, text)),
        Check("nothing of this machine", _privacy_problem(folder)),
    ]


def _metadata_problem(text: str) -> str | None:
    if not re.match(r"---\r?\n.*?\r?\n---\r?\n", text, flags=re.DOTALL):
        return "README.md does not begin with metadata between two lines of ---"
    try:
        data = ModelCard(text, ignore_metadata_errors=False).data
    except (ValueError, TypeError, KeyError, yaml.YAMLError, HfHubHTTPError) as error:
        return f"the metadata is not what the Hub takes ({' '.join(str(error).split())[:200]})"
    for name in ("library_name", "pipeline_tag"):
        if not data.get(name):
            return f"the metadata has no {name}"
    return None


def _header(text: str) -> dict[str, object]:
    found = re.match(r"---\r?\n(.*?)\r?\n---\r?\n", text, flags=re.DOTALL)
    try:
        values = yaml.safe_load(found[1]) if found else None
    except yaml.YAMLError:
        values = None
    return values if isinstance(values, dict) else {}


def _licence_problem(text: str) -> str | None:
    licence = str(_header(text).get("license") or "").strip()
    if licence.lower() in _UNKNOWN:
        return "the card names no licence: give one with --license, or set hub.license in the recipe"
    if not re.fullmatch(r"[a-z0-9][a-z0-9.+-]{0,63}", licence):
        return f"licence {licence!r} is no identifier of the Hub's, such as apache-2.0, cc-by-4.0 or other"
    return None


def _picture_problem(folder: Path, text: str) -> str | None:
    for link in re.findall(r"!\[[^\]]*\]\(([^)\s]+)\)", text):
        if "://" not in link and not (folder / unquote(link)).is_file():
            return f"the card shows {link}, which is not in the folder"
    return None


def _privacy_problem(folder: Path) -> str | None:
    for name in _TEXTS:
        for path in sorted(folder.rglob(name)):
            text = path.read_text(encoding="utf-8")
            where = path.relative_to(folder).as_posix()
            if path.suffix == ".json":
                if _names_something(text):
                    return f"{where} names a place, a user or a secret of this machine"
                continue
            for number, line in enumerate(text.splitlines(), 1):
                # As it is read: the backslashes of Markdown are none of a path's.
                plain = unescape_markdown(line)
                if scrub(plain) != plain:
                    return f"{where} line {number} names a place, a user or a secret of this machine"
    return None


def _names_something(text: str) -> bool:
    """Whether a JSON file's texts do."""
    try:
        values = json.loads(text)
    except ValueError:
        return scrub(text) != text
    return scrub_values(values) != values
