"""A Space for a published model: its folder, whether it starts, the push."""

import tempfile
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path

import yaml
from huggingface_hub import constants, get_token

from heygen_hf.hub import PushedRevision, PushOptions, scrub
from heygen_hf.hub.gate import Check, require_all, run_in_clean_process, take_manifest
from heygen_hf.hub.gate.files import check_files
from heygen_hf.hub.push import push_folder
from heygen_hf.hub.push.target import check_repo_id
from heygen_hf.tasks.demo import starting_program
from heygen_hf.tasks.demo.gradio_setup import load_gradio
from heygen_hf.tasks.demo.model_inputs import ModelInputs
from heygen_hf.tasks.demo.opening import generator_examples, page_facts
from heygen_hf.tasks.demo.page_facts import PageFacts
from heygen_hf.tasks.demo.space_folder import write_space_folder
from heygen_hf.tasks.generation import load_pipeline
from heygen_hf.tasks.publishing.telling import tell
from heygen_hf.tasks.run_folder import RunFolder


@dataclass(frozen=True)
class PublishedSpace:
    """Attributes:
    folder: of the Space, as it was checked.
    pushed: the revision; None where it was not pushed.
    """

    folder: Path
    pushed: PushedRevision | None = None


def check_space_possible(run: str | Path, space_id: str) -> None:
    """Refuse, before a model is published, what its Space would be refused for.

    Raises:
        ImportError: Gradio is not installed; the Space gets its version.
        ValueError: a malformed name, or a run that makes no videos.
    """
    check_repo_id(space_id)
    load_gradio()
    RunFolder(Path(run)).require_export()


def publish_space(
    run: str | Path,
    *,
    repo_id: str,
    space_id: str,
    model_folder: Path,
    revision: str | None,
    options: PushOptions | None = None,
    folder: str | Path | None = None,
    token: str | None = None,
    endpoint: str | None = None,
    say: Callable[[str], None] = print,
) -> PublishedSpace:
    """Write the Space of a model, start it in a process of its own, push it.

    Args:
        run: what the page says is taken from there.
        repo_id: of the model.
        space_id: `USER/NAME` of the Space.
        model_folder: the model's repository as it was checked.
        revision: of the model on the Hub; None stops before the push.
        options: of the push.
        folder: of the Space; by default `space/` in the run's folder.
        token, endpoint, say: as for `publish_run`.

    Raises:
        GateError: the Space does not start, or holds what must not be published.
        PushError: the push failed; the message says what is on the Hub.
        ValueError: see `check_space_possible`.
    """
    check_space_possible(run, space_id)
    run = Path(run)
    target = run / "space" if folder is None else Path(folder)
    options = options or PushOptions()
    with tempfile.TemporaryDirectory(prefix="space-") as scratch:
        examples = Path(scratch) / "examples"
        pipeline = load_pipeline(run, device="cpu")
        facts = page_facts(
            run,
            model=repo_id,
            revision=revision,
            card_url=f"{endpoint or constants.ENDPOINT}/{repo_id}",
            examples=generator_examples(run, ModelInputs.of(pipeline), examples),
        )
        licence = _licence(model_folder)
        write_space_folder(target, facts=_public(facts), licence=licence, examples_folder=examples)
    say(f"checking {target}")
    checks = check_files(target) + _start(target, model_folder, revision, token=token, endpoint=endpoint)
    tell(checks, say)
    require_all(
        checks, what="the Space is not published" if revision is None else f"{repo_id} is published, its Space not"
    )
    if revision is None:
        say(f"the Space is in {target}, not pushed")
        return PublishedSpace(target)
    manifest = take_manifest(target)
    pushed = push_folder(
        target,
        manifest,
        repo_id=space_id,
        kind="space",
        options=replace(options, branch=None, tag=None),
        token=token,
        endpoint=endpoint,
    )
    say(f"pushed {len(manifest.hashes)} files as {pushed.url}")
    return PublishedSpace(target, pushed)


def _licence(model_folder: Path) -> str | None:
    """The identifier that the model's card has."""
    card = (model_folder / "README.md").read_text(encoding="utf-8")
    settings = yaml.safe_load(card.split("---\n")[1]) if card.startswith("---\n") else {}
    return settings.get("license")


def _public(facts: PageFacts) -> PageFacts:
    """Without what the card would not tell either; the card itself is linked."""
    examples = [replace(one, prompt=None if one.prompt is None else scrub(one.prompt)) for one in facts.examples]
    limits = None if facts.limits is None else scrub(facts.limits)
    return replace(facts, title=scrub(facts.title), limits=limits, examples=tuple(examples), card=None)


def _start(
    folder: Path, model_folder: Path, revision: str | None, *, token: str | None, endpoint: str | None
) -> list[Check]:
    """Start `app.py` where this package is not, with the model from the Hub or, where it is not there, its folder."""
    is_on_hub = revision is not None
    job = {
        "folder": str(folder.resolve()),
        "model_folder": None if is_on_hub else str(model_folder.resolve()),
        "without": ["start:the Space starts"],
        "with": [],
    }
    token = token or get_token()
    return run_in_clean_process(
        Path(starting_program.__file__), job, is_on_hub=is_on_hub, endpoint=endpoint, token=token
    )
