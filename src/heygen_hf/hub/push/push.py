"""One commit for the whole folder: large files first, which no revision names yet, then the revision at once."""

from dataclasses import dataclass
from pathlib import Path

from huggingface_hub import CommitOperationAdd, CommitOperationDelete, HfApi, get_token
from huggingface_hub.hf_api import RepoFile

from heygen_hf.hub.gate.manifest import Manifest
from heygen_hf.hub.push.errors import PushError, hub_errors
from heygen_hf.hub.push.target import PushOptions, check_repo_id

_FROM_MEMORY_BYTES = 5_000_000
_KEPT = {".gitattributes"}


@dataclass(frozen=True)
class PushedRevision:
    """What a push made.

    Attributes:
        revision: its commit.
        url: for people.
        pull_request: its address, where one was opened.
    """

    repo_id: str
    revision: str
    url: str
    pull_request: str | None = None


def push_folder(
    folder: Path,
    manifest: Manifest,
    *,
    repo_id: str,
    options: PushOptions | None = None,
    token: str | None = None,
    endpoint: str | None = None,
) -> PushedRevision:
    """Push exactly the files of a manifest, each with the content that it names.

    A push that breaks off can be started again: large files that arrived are not sent twice, and until the one commit
    at the end no branch has changed.

    Args:
        folder: what was checked.
        manifest: taken when it was checked.
        token: by default the one that `hf auth login` or HF_TOKEN left.
        endpoint: of another Hub.

    Raises:
        PushError: no token, no access, no network, a Hub that fails, a repository that holds something already, a file
            that was changed since the check.
        ValueError: a malformed name.
    """
    options = options or PushOptions()
    check_repo_id(repo_id)
    token = token or get_token()
    if token is None:
        raise PushError(
            "there is no Hugging Face token: log in with hf auth login, or set HF_TOKEN; nothing was published."
        )
    additions = _additions(folder, manifest)
    api = HfApi(endpoint=endpoint, token=token)
    nothing = "nothing was published"
    with hub_errors(repo_id, so_far=nothing):
        api.create_repo(repo_id, private=options.private, exist_ok=True)
        head = api.repo_info(repo_id).sha
        branch = options.branch or "main"
        if options.branch is not None:
            api.create_branch(repo_id, branch=branch, exist_ok=True)
            head = api.repo_info(repo_id, revision=branch).sha
        held = {entry.path for entry in api.list_repo_tree(repo_id, recursive=True, revision=head)} - _KEPT
    if held and not (options.update or options.create_pr) and not _is_same(api, repo_id, str(head), manifest):
        raise PushError(
            f"{repo_id} exists and holds {len(held)} files: change it with --update, propose the change with "
            "--create-pr, or give another name; nothing was published."
        )
    deletions = [CommitOperationDelete(path) for path in sorted(held - manifest.hashes.keys())]
    resumable = f"{nothing} (what was sent is kept for a while: the same command goes on from there)"
    with hub_errors(repo_id, so_far=resumable):
        api.preupload_lfs_files(
            repo_id, additions, revision=branch, create_pr=options.create_pr, free_memory=False, num_threads=4
        )
        _require_unchanged(folder, manifest)
        made = api.create_commit(
            repo_id,
            [*additions, *deletions],
            commit_message=options.message,
            revision=branch,
            parent_commit=head,
            create_pr=options.create_pr,
        )
    with hub_errors(repo_id, so_far=f"revision {made.oid} is published, what follows it is not done"):
        if options.tag is not None:
            api.create_tag(repo_id, tag=options.tag, revision=made.oid)
        _require_same(api, repo_id, made.oid, manifest)
    return PushedRevision(repo_id, made.oid, str(made.commit_url), made.pr_url)


def _additions(folder: Path, manifest: Manifest) -> list[CommitOperationAdd]:
    """Small files as bytes that were compared; of large ones the Hub itself checks the hash."""
    _require_unchanged(folder, manifest)
    additions = []
    for name in sorted(manifest.hashes):
        path = folder / name
        is_small = path.stat().st_size <= _FROM_MEMORY_BYTES and path.suffix != ".safetensors"
        additions.append(CommitOperationAdd(name, path.read_bytes() if is_small else str(path)))
    return additions


def _require_unchanged(folder: Path, manifest: Manifest) -> None:
    changed = manifest.changed(folder)
    if changed:
        raise PushError(f"{changed[0]} was changed after the check: publish again; nothing was published.")


def _is_same(api: HfApi, repo_id: str, revision: str, manifest: Manifest) -> bool:
    try:
        _require_same(api, repo_id, revision, manifest)
    except PushError:
        return False
    return True


def _require_same(api: HfApi, repo_id: str, revision: str, manifest: Manifest) -> None:
    """Compare what the Hub holds with what was checked, by hash."""
    there = {
        e.path: e for e in api.list_repo_tree(repo_id, recursive=True, revision=revision) if isinstance(e, RepoFile)
    }
    names = there.keys() - _KEPT
    if names != manifest.hashes.keys():
        odd = sorted(names ^ manifest.hashes.keys())[0]
        raise PushError(f"revision {revision} of {repo_id} is not what was checked: {odd} is in one of them alone.")
    for name in sorted(names):
        large = there[name].lfs
        same = there[name].blob_id == manifest.blobs[name] if large is None else large.sha256 == manifest.hashes[name]
        if not same:
            raise PushError(f"revision {revision} of {repo_id} is not what was checked: {name} differs.")
