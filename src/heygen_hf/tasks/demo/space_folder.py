"""The files of a Space: the page's own code made flat, what it says, and the versions it was tried with."""

import ast
import shutil
import sys
from importlib.metadata import packages_distributions, version
from pathlib import Path

import yaml

from heygen_hf.hub.flat_code import Bundle, make_bundle
from heygen_hf.tasks.demo.gradio_setup import load_gradio
from heygen_hf.tasks.demo.page_facts import PageFacts

_ROOM = "heygen_hf.tasks.demo"
_ENTRIES = (
    (f"{_ROOM}.generator_page", "generator_page"),
    (f"{_ROOM}.gradio_setup", "launch_options"),
    (f"{_ROOM}.page_facts", "PageFacts"),
)
# What the published model's code imports besides, and what loading it takes.
_ALSO_NEEDED = ("accelerate", "diffusers", "huggingface_hub", "safetensors", "torch", "transformers")
_FACTS = "demo.json"
# A code file of another version of this package goes when the folder is written anew.
_BUNDLE = "demo_page"


def write_space_folder(
    folder: Path, *, facts: PageFacts, licence: str | None, examples_folder: Path | None = None
) -> None:
    """Write `app.py` and what it needs; `README.md` has the Space's settings.

    Args:
        folder: made, or written over where it holds a Space's files.
        facts: of the published model: its name on the Hub and, where it is pushed, its revision.
        licence: identifier of the Hub's.
        examples_folder: holds the files that the facts' examples name.

    Raises:
        ImportError: Gradio is not installed; the Space gets its version.
        ValueError: the folder holds something else.
    """
    load_gradio()
    _make_empty(folder)
    bundle = make_bundle(_ENTRIES, stem=_BUNDLE, title="The page of this Space.")
    bundle.write(folder)
    (folder / "app.py").write_text(_app(facts, bundle), encoding="utf-8")
    if examples_folder is not None and examples_folder.is_dir():
        shutil.copytree(examples_folder, folder / "examples")
    facts.relative_to(examples_folder, "examples").save(folder / _FACTS)
    (folder / "requirements.txt").write_text("".join(f"{pin}\n" for pin in _pins(bundle)), encoding="utf-8")
    (folder / "README.md").write_text(_readme(facts, licence=licence), encoding="utf-8")


def _make_empty(folder: Path) -> None:
    if folder.is_dir() and any(folder.iterdir()) and not (folder / _FACTS).is_file():
        raise ValueError(f"{folder} holds other files than a Space's; give another folder.")
    if folder.is_dir():
        shutil.rmtree(folder)
    folder.mkdir(parents=True)


def _app(facts: PageFacts, bundle: Bundle) -> str:
    return f'''"""A page to try {facts.model} on.

`DEMO_MODEL=path/to/a/folder python app.py` takes a model that lies there.
"""

import os
from pathlib import Path

import torch
from diffusers import DiffusionPipeline

from {bundle.stem} import PageFacts, generator_page, launch_options

MODEL = "{facts.model}"
REVISION = {f'"{facts.revision}"' if facts.revision else None}  # the code in the repository runs: of this revision

here = os.environ.get("DEMO_MODEL")
pipeline = DiffusionPipeline.from_pretrained(here or MODEL, revision=None if here else REVISION, trust_remote_code=True)
pipeline.to("cuda" if torch.cuda.is_available() else "cpu")
folder = Path(__file__).resolve().parent
page = generator_page(pipeline, PageFacts.load(folder / "{_FACTS}"))

if __name__ == "__main__":
    page.launch(allowed_paths=[str(folder / "examples")], **launch_options())
'''


def _readme(facts: PageFacts, *, licence: str | None) -> str:
    settings = {
        "title": facts.title,
        "emoji": "🎬",
        "colorFrom": "indigo",
        "colorTo": "gray",
        "sdk": "gradio",
        "sdk_version": version("gradio"),
        "python_version": f"{sys.version_info.major}.{sys.version_info.minor}",
        "app_file": "app.py",
        "pinned": False,
        **({"license": licence} if licence else {}),
        "models": [facts.model],
    }
    front = yaml.safe_dump(settings, sort_keys=False, allow_unicode=True, width=1000)
    at = f" at revision `{facts.revision}`" if facts.revision else ""
    return (
        f"---\n{front}---\n\nA page to try [{facts.model}]({facts.card_url}){at}. "
        "It runs the code that lies in that repository.\n"
    )


def _pins(bundle: Bundle) -> list[str]:
    """The distributions that the code imports, in the versions that are installed here."""
    brought_by = packages_distributions()
    modules = {*_ALSO_NEEDED, "gradio", *_imports(bundle.text)}
    found = set()
    for module in modules - sys.stdlib_module_names:
        for distribution in brought_by.get(module, [])[:1]:
            found.add(f"{distribution}=={version(distribution).partition('+')[0]}")
    return sorted(found, key=str.lower)


def _imports(text: str) -> set[str]:
    """Top names of all imports."""
    nodes = list(ast.walk(ast.parse(text)))
    names = {alias.name for node in nodes if isinstance(node, ast.Import) for alias in node.names}
    names |= {str(node.module) for node in nodes if isinstance(node, ast.ImportFrom)}
    return {name.partition(".")[0] for name in names}
