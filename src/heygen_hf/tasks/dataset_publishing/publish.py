"""From a folder of captioned clips to a revision on the Hub that was loaded and compared."""

import shutil
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from huggingface_hub import get_token

from heygen_hf.hub.dataset_folder import (
    Layout,
    WrittenDataset,
    check_dataset_folder,
    load_dataset_in_clean_process,
    read_splits,
    write_dataset_card,
    write_dataset_folder,
)
from heygen_hf.hub.dataset_folder.names import MAX_ENTRIES_PER_FOLDER
from heygen_hf.hub.gate import Check, require_all, take_manifest
from heygen_hf.hub.gate.files import MAX_FILE_BYTES
from heygen_hf.hub.push import PushedRevision, PushError, PushOptions, check_access, push_folder
from heygen_hf.hub.push.target import check_repo_id
from heygen_hf.tasks.publishing.telling import tell, tell_of_loading

_LICENCES = ("LICENSE", "LICENSE.txt", "LICENSE.md", "LICENCE", "LICENCE.txt", "NOTICE", "CITATION.cff")
_WHOLE_BYTES = 2_000_000_000  # so much is loaded back whole; of more, a sample, and every file by the hash the Hub has
_SAMPLE_ROWS = 64


@dataclass(frozen=True)
class PublishedDataset:
    """What `publish_dataset` leaves.

    Attributes:
        folder: the repository's folder, as it was checked.
        num_rows: split -> rows that are in it.
        skipped: `(split, file name, reason)` of every row that is left out.
        checks: all that was checked, in order.
        pushed: the revision; None where it was not pushed.
    """

    folder: Path
    num_rows: dict[str, int]
    skipped: list[tuple[str, str, str]]
    checks: list[Check]
    pushed: PushedRevision | None = None


def publish_dataset(
    source: str | Path,
    *,
    repo_id: str,
    local_only: bool = False,
    options: PushOptions | None = None,
    licence: str | None = None,
    title: str | None = None,
    caption_column: str = "text",
    leave_out: Sequence[str] = (),
    also: Sequence[str] = (),
    layout: Layout = "auto",
    max_bad_share: float = 0.1,
    keep_places: bool = False,
    folder: str | Path | None = None,
    token: str | None = None,
    endpoint: str | None = None,
    num_workers: int | None = None,
    max_file_bytes: int = MAX_FILE_BYTES,
    max_entries_per_folder: int = MAX_ENTRIES_PER_FOLDER,
    say: Callable[[str], None] = print,
) -> PublishedDataset:
    """Write the repository's folder, put it through the gate, push it, and load what was pushed.

    Args:
        source: a folder of captioned clips in any layout that `load_video_dataset` opens; nothing in it is changed.
        repo_id: `USER/NAME`.
        local_only: stop before the push.
        options: of the push.
        licence: an identifier of the Hub's, in place of the one in the folder's README; else it is called unknown.
        title: of the card.
        caption_column: of the folder's metadata.
        leave_out: columns of the metadata that are not published.
        also: further files of the folder's top, such as a list of held-out words. Licences are taken anyway, and what
            the README names in backticks.
        layout: "videofolder", "webdataset" (tars), or "auto": files while there are not too many for the Hub.
        max_bad_share: of the rows, which may be unusable; they are left out and named in the card.
        keep_places: publish clips whose tags say where they were recorded.
        folder: of the repository; by default beside the source, its name with `-repository`.
        token: by default the one that `hf auth login` or HF_TOKEN left.
        endpoint: of another Hub.
        say: is given a line for each check and step.

    Raises:
        GateError: something must not be published; the message names it. Nothing was pushed.
        PushError: the push failed; the message says what is on the Hub.
        ValueError: no clips, malformed metadata, a malformed name.
    """
    source = Path(source)
    check_repo_id(repo_id)
    options = options or PushOptions(message="Publish a data set with heygen_hf")
    token = token or get_token()
    if not local_only:
        if token is None:
            raise PushError(
                "there is no Hugging Face token: log in with hf auth login or set HF_TOKEN, or stop before the push "
                "with --local-only; nothing was published."
            )
        check_access(repo_id, token=token, endpoint=endpoint)

    # 1. The repository's folder: every clip decoded, every caption in metadata.
    texts = _texts(source, also)
    splits = read_splits(source, caption_column=caption_column, leave_out=leave_out)
    real = source.resolve()
    target = real.with_name(f"{real.name}-repository") if folder is None else Path(folder)
    if target.resolve().is_relative_to(real):
        raise ValueError(f"{target} is inside {source}, which stays as it is: name a folder beside it with --folder.")
    say(f"reading {sum(len(split.rows) for split in splits):,} rows of {source}")
    written = write_dataset_folder(
        splits,
        target,
        caption_column=caption_column,
        layout=layout,
        max_entries_per_folder=max_entries_per_folder,
        num_workers=num_workers,
    )
    write_dataset_card(
        written,
        repo_id=repo_id,
        readme=source / "README.md",
        licence=licence,
        title=title,
        caption_column=caption_column,
    )
    for path in texts:
        if not (target / path.name).exists():
            shutil.copyfile(path, target / path.name)

    # 2. The gate, which ends in loading it as others will.
    say(f"checking {target}")
    manifest = take_manifest(target)
    checks = check_dataset_folder(
        written,
        manifest,
        max_bad_share=max_bad_share,
        max_file_bytes=max_file_bytes,
        max_entries_per_folder=max_entries_per_folder,
        keep_places=keep_places,
    )
    tell(checks, say)
    require_all(checks)
    loaded = tell_of_loading(
        lambda: load_dataset_in_clean_process(written, caption_column=caption_column), say, where="it"
    )
    require_all(loaded)
    checks += loaded
    for line in _account(written):
        say(line)
    num_rows = {split.name: len(split.rows) for split in written.splits if split.rows}
    skipped = [(split.name, name, reason) for split in written.splits for name, reason in split.skipped]
    if local_only:
        say(f"{len(checks)} checks passed; the repository is in {target}, not pushed")
        return PublishedDataset(target, num_rows, skipped, checks)

    # 3. The push, and the same from there.
    pushed = push_folder(
        target, manifest, repo_id=repo_id, kind="dataset", options=options, token=token, endpoint=endpoint
    )
    say(f"pushed {len(manifest.hashes):,} files as {pushed.url}")
    num_bytes = sum(facts.num_bytes for split in written.splits for facts in split.facts.values())
    sample = _SAMPLE_ROWS if num_bytes > _WHOLE_BYTES else None
    again = tell_of_loading(
        lambda: load_dataset_in_clean_process(
            written,
            repo_id=repo_id,
            revision=pushed.revision,
            endpoint=endpoint,
            token=token,
            caption_column=caption_column,
            max_rows=sample,
        ),
        say,
        where="what was pushed",
    )
    require_all(
        again,
        what=f"revision {pushed.revision} of {repo_id} is published and did not load as it was checked; the same "
        "command tries again",
    )
    rows = "every row" if sample is None else f"the first {sample} rows of each split"
    say(f"{repo_id} at {pushed.revision[:12]} loads in {len(again)} ways; {rows} compared, clips by hash")
    if pushed.pull_request:
        say(f"merge it at {pushed.pull_request}")
    return PublishedDataset(target, num_rows, skipped, [*checks, *again], pushed)


def _texts(source: Path, also: Sequence[str]) -> list[Path]:
    """Licences, what the README names, and what was asked for."""
    readme = source / "README.md"
    text = readme.read_text(encoding="utf-8", errors="replace") if readme.is_file() else ""
    named = [path.name for path in sorted(source.glob("*.json")) if f"`{path.name}`" in text]
    for name in also:
        if Path(name).name != name or not (source / name).is_file():
            raise ValueError(f"there is no file {name} at the top of {source}, which --also names.")
    return [source / name for name in dict.fromkeys([*_LICENCES, *named, *also]) if (source / name).is_file()]


def _account(written: WrittenDataset) -> list[str]:
    lines = []
    for split in written.splits:
        sound = sum(facts.has_sound for facts in split.facts.values())
        seconds = sum(facts.duration_seconds for facts in split.facts.values())
        lines.append(
            f"{split.name}: {len(split.rows):,} rows, {len(split.facts):,} clips of {seconds:,.0f} s in all"
            + (f", {sound:,} with sound" if sound else "")
            + (f", {len(split.skipped):,} rows left out" if split.skipped else "")
        )
        lines += [f"  left out: {name!r}: {reason}" for name, reason in split.skipped[:5]]
    return [*lines, *(f"note: {note}" for note in written.notes)]
