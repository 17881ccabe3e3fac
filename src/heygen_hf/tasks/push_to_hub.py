"""`hub.push_to_hub` of a recipe: the run goes through the same gate as `heygen-hf publish` when it is finished."""

import warnings
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from heygen_hf.tasks.publishing.publish import Published


def publish_finished_run(folder: str | Path, section: Any) -> "Published | None":
    """Publish a run as its recipe's `hub` section says; call it last, on the main process alone.

    A run that is not published stays as good as it was: what went wrong is said in a warning, with the command that
    tries again, and training has not failed.

    Args:
        folder: the finished run.
        section: with `push_to_hub`, `repo_id`, `private`, `license` and `base_model`.

    Returns:
        None where the recipe asks for nothing, or where it did not work.
    """
    if not getattr(section, "push_to_hub", False):
        return None
    from heygen_hf.hub import PushOptions
    from heygen_hf.tasks.publishing.publish import publish_run

    try:
        return publish_run(
            folder,
            repo_id=str(section.repo_id),
            options=PushOptions(private=section.private, update=True),
            licence=section.license,
            base_model=section.base_model,
        )
    except (ValueError, OSError) as error:
        reason = " ".join(str(error).split())
        warnings.warn(
            f"the run in {folder} is finished and was not published ({reason}); try again with: heygen-hf publish "
            f"{folder} --repo-id {section.repo_id}",
            UserWarning,
            stacklevel=2,
        )
        return None


def check_hub_section(section: Any) -> None:
    """Before training: a name that the Hub takes, and a token to push with.

    Raises:
        ValueError: `push_to_hub` cannot work.
    """
    if not getattr(section, "push_to_hub", False):
        return
    from huggingface_hub import get_token

    from heygen_hf.hub.push.target import check_repo_id

    if section.repo_id is None:
        raise ValueError("hub.push_to_hub needs hub.repo_id, the repository's USER/NAME.")
    check_repo_id(section.repo_id)
    if section.base_model is not None:
        check_repo_id(section.base_model)
    if section.license is None:
        raise ValueError("hub.push_to_hub needs hub.license, such as apache-2.0: no card is published without one.")
    if get_token() is None:
        raise ValueError("hub.push_to_hub needs a Hugging Face token: log in with hf auth login, or set HF_TOKEN.")
