"""What `heygen-hf demo` is given: a run's folder, any folder with an exported pipeline, or a name on the Hub."""

import re
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import yaml
from huggingface_hub import constants, snapshot_download
from huggingface_hub.errors import HfHubHTTPError, RepositoryNotFoundError

from heygen_hf.data.sources import is_missing_locally
from heygen_hf.hub.push.target import check_repo_id
from heygen_hf.pipelines import VideoGenerationPipeline
from heygen_hf.tasks.demo.example_files import examples_of_samples
from heygen_hf.tasks.demo.model_inputs import ModelInputs
from heygen_hf.tasks.demo.page_facts import PageExample, PageFacts
from heygen_hf.tasks.generation import load_pipeline
from heygen_hf.tasks.generation.checks import usable_device
from heygen_hf.tasks.run_folder import RunFolder, read_json

_ABOUT = ["README.md", "reference.json", "samples/sample-*.mp4"]
_FRONT_MATTER = re.compile(r"\A---\n.*?\n---\n", re.DOTALL)
_MOST_EXAMPLES = 8


def open_generator(
    source: str | Path, *, device: str | None, max_seconds: float, examples_folder: Path
) -> tuple[VideoGenerationPipeline, PageFacts]:
    """The pipeline of a run, a folder or a repository, and what its page says.

    Args:
        source: a folder, or `USER/NAME` on the Hub; none of the code in a repository runs.
        device: as torch names it; a GPU if there is one.
        max_seconds: of the videos that visitors can ask for.
        examples_folder: gets the pictures and sounds of examples.

    Raises:
        ValueError: there is no such run, it is no video generator, or the Hub does not give it.
    """
    check_source(source)
    folder = Path(source)
    if folder.exists():
        pipeline = load_pipeline(folder, device=device)
        name = folder.resolve().name
        examples = generator_examples(folder, ModelInputs.of(pipeline), examples_folder)
        return pipeline, page_facts(folder, model=name, max_seconds=max_seconds, examples=examples)
    repo_id = check_repo_id(str(source))
    place = usable_device(device)
    try:
        about = Path(snapshot_download(repo_id, allow_patterns=[*_ABOUT, "model_index.json"]))
        if not (about / "model_index.json").is_file():
            raise ValueError(f"{repo_id} holds no pipeline (no model_index.json); a demo is of a video generator.")
        pipeline = VideoGenerationPipeline.from_pretrained(repo_id, revision=about.name)
    except (HfHubHTTPError, OSError) as error:
        absent = isinstance(error, RepositoryNotFoundError)
        reason = "it does not exist, or not for this token" if absent else " ".join(str(error).split())[:200]
        raise ValueError(f"there is no folder {source}, and the Hub does not give {repo_id}: {reason}") from error
    facts = page_facts(
        about,
        model=repo_id,
        revision=about.name,
        card_url=f"{constants.ENDPOINT}/{repo_id}",
        max_seconds=max_seconds,
        examples=generator_examples(about, ModelInputs.of(pipeline), examples_folder),
    )
    return pipeline.to(place), facts


def check_source(source: str | Path) -> None:
    """Before anything is loaded: whether there may be a model there that has a page.

    Raises:
        ValueError: no folder and no name on the Hub, or a model that a demo does not serve.
    """
    folder = Path(source)
    if not folder.exists():
        if is_missing_locally(str(source)) or str(source).count("/") != 1:
            raise ValueError(
                f"there is no run at {source}; give the folder of one, or the model's name on the Hub as USER/NAME."
            )
        return
    run = RunFolder(folder)
    if run.base_pipeline.is_file():
        raise ValueError(
            f"{folder} is a fine-tuning of a pipeline of diffusers, which a demo does not serve: make its videos with "
            "heygen-hf generate."
        )
    if run.model_config is None:
        run.require_export()


def page_facts(
    folder: Path,
    *,
    model: str,
    revision: str | None = None,
    card_url: str | None = None,
    max_seconds: float = 20.0,
    examples: Sequence[PageExample] = (),
) -> PageFacts:
    """What a page says, from what lies beside the model."""
    card = _card(folder)
    heading = re.search(r"^# (.+)$", card, re.MULTILINE)
    hub = read_recipe(folder).get("hub") or {}
    return PageFacts(
        title=_unescaped(heading[1]) if heading else hub.get("title") or model,
        model=model,
        revision=revision,
        card_url=card_url,
        # pictures in it would be looked for on this server
        card=re.sub(r"!\[[^\]]*\]\([^)]*\)\n*", "", card.partition(heading[0])[2] if heading else card) or None,
        limits=hub.get("limits"),
        examples=tuple(examples),
        max_seconds=max_seconds,
        recorded=_recorded(folder),
    )


def generator_examples(folder: Path, inputs: ModelInputs, examples_folder: Path) -> list[PageExample]:
    """Captions of the run's samples, which are of held-out clips; or the first frames and sounds of these."""
    prompts = read_json(RunFolder(folder).facts).get("prompts") or _captions_of_card(_card(folder))
    reference = read_json(folder / "reference.json").get("prompt")
    prompts = list(prompts) or ([reference] if reference else [])
    if inputs.image or inputs.audio:
        files = examples_of_samples(RunFolder(folder).samples, inputs, examples_folder, most=_MOST_EXAMPLES // 2)
        texts = prompts if inputs.caption else [None] * len(files)
        found = [
            PageExample(prompt=text, image=image, audio=audio)
            for text, (image, audio) in zip(texts, files, strict=False)
        ]
        if found or not inputs.caption:
            return found
    return [PageExample(prompt=text) for text in prompts[:_MOST_EXAMPLES]] if inputs.caption else []


def read_recipe(folder: Path) -> dict[str, Any]:
    """A run's recipe as resolved; empty where there is none."""
    file = RunFolder(folder).recipe
    return (yaml.safe_load(file.read_text(encoding="utf-8")) or {}) if file.is_file() else {}


def _card(folder: Path) -> str:
    """Without its settings."""
    file = folder / "README.md"
    return _FRONT_MATTER.sub("", file.read_text(encoding="utf-8", errors="replace")) if file.is_file() else ""


def _captions_of_card(card: str) -> list[str]:
    samples = re.search(r"^## Samples$(.*?)(?=^## |\Z)", card, re.MULTILINE | re.DOTALL)
    lines = re.findall(r"^\d+\. (.+)$", samples[1], re.MULTILINE) if samples else []
    return [_unescaped(line) for line in lines]


def _unescaped(text: str) -> str:
    return re.sub(r"\\([^A-Za-z0-9\s])", r"\1", text).strip()


def _recorded(folder: Path) -> dict[str, Any]:
    """Which weights made a video, where the export says so, and the commit of the code that trained them."""
    hashes = read_json(folder / "reference.json").get("files") or {}
    weights = {name: value for name, value in hashes.items() if name.startswith("transformer/") and "model" in name}
    found = {"weights_sha256": weights} if weights else {}
    commit = read_json(RunFolder(folder).facts).get("commit")
    return found | ({"trained_at_commit": commit} if commit else {})
