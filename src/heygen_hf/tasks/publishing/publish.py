"""From a run's folder to a revision on the Hub that was loaded and compared."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from huggingface_hub import get_token

from heygen_hf.hub.gate import (
    Check,
    LoadingWays,
    check_folder,
    load_in_clean_process,
    promised_ways,
    require_all,
    take_manifest,
)
from heygen_hf.hub.gate.files import MAX_FILE_BYTES
from heygen_hf.hub.push import PushedRevision, PushError, PushOptions, push_folder
from heygen_hf.hub.push.target import check_repo_id
from heygen_hf.hub.repo_folder import Exported, write_repo_folder
from heygen_hf.tasks.publishing.adapters import adapter_way, check_adapter
from heygen_hf.tasks.publishing.averaged_weights import check_averaged_weights
from heygen_hf.tasks.publishing.base_name import name_base
from heygen_hf.tasks.publishing.pipeline_adapters import (
    check_pipeline_adapter,
    find_named_base,
    pipeline_adapter_job,
)
from heygen_hf.tasks.publishing.reference import ensure_reference
from heygen_hf.tasks.publishing.telling import tell, tell_of_loading
from heygen_hf.tasks.run_folder import RunFolder


@dataclass(frozen=True)
class Published:
    """What `publish_run` leaves.

    Attributes:
        folder: the repository's folder, as it was checked.
        checks: all that was checked, in order.
        pushed: the revision; None where it was not pushed.
    """

    folder: Path
    checks: list[Check]
    pushed: PushedRevision | None = None


def publish_run(
    run: str | Path,
    *,
    repo_id: str,
    local_only: bool = False,
    options: PushOptions | None = None,
    licence: str | None = None,
    base_model: str | None = None,
    folder: str | Path | None = None,
    token: str | None = None,
    endpoint: str | None = None,
    max_file_bytes: int = MAX_FILE_BYTES,
    say: Callable[[str], None] = print,
) -> Published:
    """Write the repository's folder, put it through the gate, push it, and load what was pushed.

    Args:
        run: a run's folder, or any folder with an exported model and a card; nothing in it is changed but for
            `repository/`.
        repo_id: `USER/NAME`.
        local_only: stop before the push.
        options: of the push.
        licence: an identifier of the Hub's, in place of the card's.
        base_model: an adapter's base on the Hub, in place of the one it names.
        folder: of the repository; by default `repository/` in the run's folder.
        token: by default the one that `hf auth login` or HF_TOKEN left.
        endpoint: of another Hub.
        say: is given a line for each check and step.

    Raises:
        GateError: something must not be published; the message names it. Nothing was pushed.
        PushError: the push failed; the message says what is on the Hub.
        ValueError: no run, a malformed name.
    """
    run = Path(run)
    check_repo_id(repo_id)
    options = options or PushOptions()
    if not local_only and (token or get_token()) is None:
        raise PushError(
            "there is no Hugging Face token: log in with hf auth login or set HF_TOKEN, or stop before the push with "
            "--local-only; nothing was published."
        )
    target = run / "repository" if folder is None else Path(folder)
    exported = write_repo_folder(run, target, repo_id=repo_id, licence=licence)

    # 1. What can be seen without loading it elsewhere.
    say(f"checking {target}")
    base_folder = None
    if exported.kind == "adapter":
        exported, base_folder = name_base(exported, base_model)
    of_pipeline = None
    if exported.kind == "pipeline_adapter":
        exported, of_pipeline = find_named_base(run, exported, base_model)
    made = ensure_reference(exported)
    checks = check_folder(exported, source=run, max_file_bytes=max_file_bytes)
    averaged = check_averaged_weights(RunFolder(run))
    checks += [averaged] if averaged is not None else []
    if exported.kind == "adapter":
        checks += check_adapter(exported, base=base_model)
    if of_pipeline is not None:
        checks += check_pipeline_adapter(exported, of_pipeline)
    tell(checks, say)
    require_all(checks)

    # 2. Loading it as others will, in a process of its own.
    ways, extra = _ways(exported, base_folder)
    if of_pipeline is not None:
        extra = pipeline_adapter_job(of_pipeline)
    manifest = take_manifest(target)
    if made:
        say("note: the export wrote no reference; what loads is compared with the weights as this process loaded them")
    loaded = tell_of_loading(lambda: load_in_clean_process(exported, ways, extra=extra), say, where="it")
    require_all(loaded)
    checks += loaded
    if local_only:
        say(f"{len(checks)} checks passed; the repository is in {target}, not pushed")
        return Published(target, checks)

    # 3. The push, and the same from there.
    pushed = push_folder(target, manifest, repo_id=repo_id, options=options, token=token, endpoint=endpoint)
    say(f"pushed {len(manifest.hashes)} files as {pushed.url}")
    again = tell_of_loading(
        lambda: load_in_clean_process(
            exported,
            ways,
            source=repo_id,
            revision=pushed.revision,
            endpoint=endpoint,
            token=token or get_token(),
            extra=extra,
        ),
        say,
        where="what was pushed",
    )
    require_all(
        again,
        what=f"revision {pushed.revision} of {repo_id} is published and did not load as it was checked; the same "
        "command tries again",
    )
    compared = (target / "reference.safetensors").is_file()
    say(
        f"{repo_id} at {pushed.revision[:12]} loads in {len(again)} ways"
        + (" and makes what the reference holds" if compared else " with the same weights")
    )
    if pushed.pull_request:
        say(f"merge it at {pushed.pull_request}")
    return Published(target, [*checks, *again], pushed)


def _ways(exported: Exported, base_folder: Path | None) -> tuple[LoadingWays, dict[str, Any]]:
    ways = promised_ways(exported)
    if exported.kind != "adapter":
        return ways, {}
    found, extra = adapter_way(exported, base_folder)
    return LoadingWays(ways.without, (*found, *ways.with_package)), extra
