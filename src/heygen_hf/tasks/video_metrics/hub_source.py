"""A pipeline on the Hub as something to measure: fetched without its code, and known by its commit."""

import json
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from heygen_hf.hub.push.target import check_repo_id
from heygen_hf.pipelines import VideoGenerationPipeline


@dataclass(frozen=True)
class Repository:
    """A revision of a repository, in the client's cache.

    Attributes:
        name: `USER/NAME`.
        revision: as it was asked for; None for the default branch.
        commit: what that was.
    """

    path: Path
    name: str
    revision: str | None
    commit: str


def download_repository(source: str) -> Repository:
    """Fetch `USER/NAME` or `USER/NAME@REVISION`; without a network, what the cache has of it.

    Raises:
        ValueError: a malformed name, no such repository or revision, no network, or a Hub that fails.
    """
    repo_id, at, revision = source.partition("@")
    check_repo_id(repo_id)
    if at and not revision:
        raise ValueError(f"{source} names no revision after its @: give a branch, a tag or a commit, or leave it out")
    from huggingface_hub import hf_hub_download

    with _in_one_line(source):
        index = Path(hf_hub_download(repo_id, "model_index.json", revision=revision or None))
        require_our_pipeline(index, source)
        commit = index.parent.name
        path = Path(VideoGenerationPipeline.download(repo_id, revision=commit))
    return Repository(path, repo_id, revision or None, commit)


def require_our_pipeline(index: Path, source: str) -> None:
    """Refuse another library's pipeline, before its weights are fetched.

    Args:
        index: its `model_index.json`.
    """
    try:
        name = json.loads(index.read_text(encoding="utf-8")).get("_class_name")
    except (ValueError, AttributeError):
        raise ValueError(f"{source}: its model_index.json cannot be read; export or download it again") from None
    name = name[-1] if isinstance(name, list) and name else name
    ours = VideoGenerationPipeline.__name__
    if name != ours:
        raise ValueError(
            f"{source} holds a {name}, and only a {ours} makes videos here: make some with diffusers, and give "
            "their folder"
        )


@contextmanager
def _in_one_line(source: str) -> Iterator[None]:
    try:
        yield
    except Exception as error:
        said = _said_of(error, source)
        if said is None:
            raise
        raise ValueError(said) from error


def _said_of(error: Exception, source: str) -> str | None:
    """What to say; None of an error that is not the Hub's."""
    from huggingface_hub import errors

    missing = f"there is no {source} here, and none on the Hub that is open to you: check the name, or hf auth login"
    transport_error = errors.HfHubHTTPError.__bases__[0]  # of whatever HTTP library the client uses
    match error:
        case errors.GatedRepoError():
            return f"{source} asks for consent: accept its terms on the Hub, and log in with hf auth login"
        case errors.RevisionNotFoundError():
            return f"{source}: the repository has no such revision; give a branch, a tag or a commit that it has"
        case errors.RepositoryNotFoundError():
            return missing
        case errors.LocalEntryNotFoundError() | errors.OfflineModeIsEnabled():
            return (
                f"there is no {source} here, and the Hub cannot be reached to look for it: check the network (and "
                "HF_HUB_OFFLINE), or give a folder"
            )
        case errors.EntryNotFoundError():
            return f"{source} holds no pipeline (no model_index.json); give one that heygen-hf publish made"
        case errors.HfHubHTTPError():
            status = getattr(getattr(error, "response", None), "status_code", None)
            return missing if status in (401, 403) else f"{source}: the Hub failed ({status}); try again later"
        case transport_error():
            return f"{source}: the Hub cannot be reached or broke off; check the network, or give a folder"
    return None
