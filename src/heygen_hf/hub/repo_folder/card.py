"""What only publishing knows, written into the copy of the card: the repository's name and how it loads anywhere."""

import re
from pathlib import Path

from heygen_hf.hub.card.text import code_block
from heygen_hf.hub.repo_folder.exported import Exported, read_json_file

_HEADING = "## Without heygen_hf installed"
_LICENCE_LINE = re.compile(r"^license:.*$", re.MULTILINE)
_LICENCE_NAME = re.compile(r"\nlicense_name:.*$", re.MULTILINE)


def finish_card(target: Path, exported: Exported, *, repo_id: str, licence: str | None) -> None:
    """Put the repository's name into the card's examples and add how it loads without this package."""
    path = target / "README.md"
    if not path.is_file():
        return
    text = path.read_text(encoding="utf-8").replace('"path/to/this/folder"', f'"{repo_id}"')
    if licence is not None:
        text = _with_licence(text, licence)
    usage = _usage(target, exported, repo_id)
    if usage and f"\n{_HEADING}\n" not in text:
        section = f"{_HEADING}\n\n{code_block(usage, 'python')}\n\n"
        licence_heading = text.rfind("\n## Licence\n")  # the last thing in a card: what is above may quote anything
        at = licence_heading + 1 if licence_heading >= 0 else len(text)
        text = text[:at] + section + text[at:]
    path.write_text(text, encoding="utf-8", newline="\n")


def _with_licence(text: str, licence: str) -> str:
    if not re.fullmatch(r"[a-z0-9][a-z0-9.+-]{0,63}", licence):
        raise ValueError(f"licence {licence!r} is no identifier of the Hub's, such as apache-2.0 or cc-by-4.0.")
    header, mark, body = text.partition("\n---\n")
    header = _LICENCE_NAME.sub("", _LICENCE_LINE.sub(f"license: {licence}", header, count=1), count=1)
    at = max(0, body.rfind("\n## Licence\n"))
    return header + mark + body[:at] + re.sub(r"(\n## Licence\n\n)[^\n]*", rf"\g<1>{licence}", body[at:], count=1)


def _usage(target: Path, exported: Exported, repo_id: str) -> str | None:
    """Python that loads the repository with transformers and diffusers alone; it runs the code that lies in it."""
    if exported.is_of_diffusers:
        return None  # the card has it
    if exported.kind == "pipeline":
        return (
            "from diffusers import DiffusionPipeline\nfrom transformers import AutoModel\n\n"
            f'pipe = DiffusionPipeline.from_pretrained("{repo_id}", trust_remote_code=True)\n'
            f'network = AutoModel.from_pretrained("{repo_id}", subfolder="transformer", trust_remote_code=True)'
        )
    if exported.kind != "model":
        return None
    auto_map = read_json_file(target / "config.json").get("auto_map", {})
    name = next((name for name in sorted(auto_map) if name.startswith("AutoModelFor")), "AutoModel")
    if name not in auto_map:
        return None
    return f'from transformers import {name}\n\nmodel = {name}.from_pretrained("{repo_id}", trust_remote_code=True)'
