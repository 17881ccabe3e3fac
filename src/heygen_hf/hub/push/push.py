"""One commit for the whole folder: large files first, which no revision names yet, then the revision at once."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from huggingface_hub import CommitOperationAdd, CommitOperationDelete, HfApi, get_token
from huggingface_hub.hf_api import RepoFile
from huggingface_hub.utils import are_progress_bars_disabled, disable_progress_bars, enable_progress_bars
from tqdm.auto import tqdm

from heygen_hf.hub.gate.manifest import Manifest
from heygen_hf.hub.push.errors import PushError, hub_errors
from heygen_hf.hub.push.target import PushOptions, check_repo_id

RepoKind = Literal["model", "dataset", "space"]

_SENT_AT_ONCE = 64
_FROM_MEMORY_BYTES = 5_000_000
_TEXTS = {".md", ".json", ".jsonl", ".py", ".txt", ".jinja", ".yaml", ".cff", ".model", ""}
_KEPT = {".gitattributes"}
_NOTHING = "nothing was published"
_RESUMABLE = f"{_NOTHING} (what was sent is kept for a while: the same command goes on from there)"


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
    kind: RepoKind = "model",
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
        kind: of the repository.
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
    there = _Repository(HfApi(endpoint=endpoint, token=token), repo_id, kind)
    branch = options.branch or "main"
    with hub_errors(repo_id, so_far=_NOTHING):
        head = there.open(options)
        held = there.files(head).keys()
    if held and not (options.update or options.create_pr) and there.difference(head, manifest) is not None:
        raise PushError(
            f"{repo_id} exists and holds {len(held)} files: change it with --update, propose the change with "
            f"--create-pr, or give another name; {_NOTHING}."
        )
    deletions = [CommitOperationDelete(path) for path in sorted(held - manifest.hashes.keys())]
    about: dict[str, Any] = {"repo_id": repo_id, "repo_type": kind, "revision": branch, "create_pr": options.create_pr}
    with hub_errors(repo_id, so_far=_RESUMABLE):
        _send(there.api, additions, about)
    _require_unchanged(folder, manifest)
    try:
        with hub_errors(repo_id, so_far=_RESUMABLE):
            made = there.api.create_commit(
                **about,
                operations=[*additions, *deletions],
                commit_message=options.message,
                parent_commit=head,
            )
        pushed = PushedRevision(repo_id, made.oid, str(made.commit_url), made.pr_url)
    except PushError as error:
        # The Hub may finish a commit whose answer is lost on the way, as it says itself of large ones.
        revision = None if options.create_pr else _made_all_the_same(there, branch, head, manifest, error)
        if revision is None:
            raise
        pushed = PushedRevision(repo_id, revision, there.address(revision))
    with hub_errors(repo_id, so_far=f"revision {pushed.revision} is published, what follows it is not done"):
        if options.tag is not None:
            there.tag(options.tag, pushed.revision)
        different = there.difference(pushed.revision, manifest)
    if different is not None:
        raise PushError(f"revision {pushed.revision} of {repo_id} is published and not what was checked: {different}.")
    return pushed


def check_access(repo_id: str, *, token: str, endpoint: str | None = None) -> None:
    """Ask the Hub who this is, before hours are spent on what could not be pushed.

    Raises:
        PushError: a token that is not accepted, no network, a Hub that fails.
    """
    with hub_errors(repo_id, so_far=_NOTHING):
        HfApi(endpoint=endpoint, token=token).whoami()


@dataclass(frozen=True)
class _Repository:
    """One repository of the Hub."""

    api: HfApi
    repo_id: str
    kind: RepoKind

    def open(self, options: PushOptions) -> str:
        """Make what is not there yet; the commit that the push starts from."""
        sdk = "gradio" if self.kind == "space" else None
        self.api.create_repo(self.repo_id, repo_type=self.kind, private=options.private, exist_ok=True, space_sdk=sdk)
        if options.private and not self.api.repo_info(self.repo_id, repo_type=self.kind).private:
            raise PushError(
                f"{self.repo_id} exists and is public, so it would be no private publication: make it private in its "
                f"settings, give another name, or leave out --private; {_NOTHING}."
            )
        if options.branch is not None:
            self.api.create_branch(self.repo_id, repo_type=self.kind, branch=options.branch, exist_ok=True)
        return self.head(options.branch)

    def head(self, branch: str | None) -> str:
        return str(self.api.repo_info(self.repo_id, repo_type=self.kind, revision=branch).sha)

    def files(self, revision: str) -> dict[str, RepoFile]:
        found = self.api.list_repo_tree(self.repo_id, repo_type=self.kind, recursive=True, revision=revision)
        return {entry.path: entry for entry in found if isinstance(entry, RepoFile) and entry.path not in _KEPT}

    def tag(self, name: str, revision: str) -> None:
        """Named already for this revision: that is what an earlier try did."""
        refs = self.api.list_repo_refs(self.repo_id, repo_type=self.kind)
        if not any(ref.name == name and ref.target_commit == revision for ref in refs.tags):
            self.api.create_tag(self.repo_id, repo_type=self.kind, tag=name, revision=revision)

    def address(self, revision: str) -> str:
        prefix = "" if self.kind == "model" else f"{self.kind}s/"
        return f"{self.api.endpoint}/{prefix}{self.repo_id}/commit/{revision}"

    def difference(self, revision: str, manifest: Manifest) -> str | None:
        """What of a revision is not what was checked, by hash."""
        there = self.files(revision)
        odd = sorted(there.keys() ^ manifest.hashes.keys())
        if odd:
            return f"{odd[0]} is in one of them alone"
        for name, entry in sorted(there.items()):
            is_same = (
                entry.blob_id == manifest.blobs[name]
                if entry.lfs is None
                else entry.lfs.sha256 == manifest.hashes[name]
            )
            if not is_same:
                return f"{name} differs"
        return None


def _made_all_the_same(there: _Repository, branch: str, head: str, manifest: Manifest, error: PushError) -> str | None:
    """The revision that a failed request made; None where it made none."""
    try:
        with hub_errors(there.repo_id, so_far=""):
            now = there.head(branch)
            return now if now != head and there.difference(now, manifest) is None else None
    except PushError:
        raise PushError(
            str(error).removesuffix(f"{_RESUMABLE}.")
            + "whether it was published cannot be asked now: the same command finds out, and goes on from there."
        ) from error


def _additions(folder: Path, manifest: Manifest) -> list[CommitOperationAdd]:
    """Small texts as bytes that were compared; of large files the Hub itself checks the hash."""
    _require_unchanged(folder, manifest)
    additions = []
    for name in sorted(manifest.hashes):
        path = folder / name
        is_small = path.suffix in _TEXTS and path.stat().st_size <= _FROM_MEMORY_BYTES
        additions.append(CommitOperationAdd(name, path.read_bytes() if is_small else str(path)))
    return additions


def _send(api: HfApi, additions: list[CommitOperationAdd], about: dict[str, Any]) -> None:
    """Large files, which no revision names yet; of many files one bar, not one of each."""
    if len(additions) <= _SENT_AT_ONCE:
        api.preupload_lfs_files(**about, additions=additions, free_memory=False, num_threads=4)
        return
    were_shown = not are_progress_bars_disabled()
    disable_progress_bars()
    try:
        with tqdm(total=len(additions), desc="Sending", unit="file", disable=not were_shown) as bar:
            for start in range(0, len(additions), _SENT_AT_ONCE):
                some = additions[start : start + _SENT_AT_ONCE]
                api.preupload_lfs_files(**about, additions=some, free_memory=False, num_threads=4)
                bar.update(len(some))
    finally:
        if were_shown:
            enable_progress_bars()


def _require_unchanged(folder: Path, manifest: Manifest) -> None:
    changed = manifest.changed(folder)
    if changed:
        raise PushError(f"{changed[0]} was changed after the check: publish again; {_NOTHING}.")
