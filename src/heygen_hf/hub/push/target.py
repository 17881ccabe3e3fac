"""Where a folder is pushed, and how."""

import re
from dataclasses import dataclass

_NAME = re.compile(r"[A-Za-z0-9](?:[A-Za-z0-9._-]{0,94}[A-Za-z0-9])?")


@dataclass(frozen=True, kw_only=True)
class PushOptions:
    """Options of a push.

    Args:
        private: of a repository that is created.
        branch: pushed to instead of `main`; created where it is not there.
        tag: given to the new revision.
        create_pr: open a pull request instead of changing a branch.
        update: change a repository that holds files already; those that are not in the folder are removed.
        message: of the commit.

    Raises:
        ValueError: options that exclude each other, or a name that git does not take.
    """

    private: bool | None = None
    branch: str | None = None
    tag: str | None = None
    create_pr: bool = False
    update: bool = False
    message: str = "Publish with heygen_hf"

    def __post_init__(self) -> None:
        if self.create_pr and self.branch is not None:
            raise ValueError("a pull request is opened against main: leave out --branch, or --create-pr.")
        if self.create_pr and self.tag is not None:
            raise ValueError("a pull request has no tag before it is merged: leave out --tag, or --create-pr.")
        for name, value in (("branch", self.branch), ("tag", self.tag)):
            if value is not None and not re.fullmatch(
                r"(?!.*(\.\.|//|@\{|\.lock$))[A-Za-z0-9][\w./-]{0,99}(?<![./])", value
            ):
                raise ValueError(f"{name} {value!r} is no name for one: use letters, digits, '-', '_', '.' and '/'.")


def check_repo_id(repo_id: str) -> str:
    """`USER/NAME` as the Hub takes it.

    Raises:
        ValueError: it is anything else.
    """
    parts = repo_id.split("/")
    fits = len(parts) == 2 and all(_NAME.fullmatch(part) and "--" not in part and ".." not in part for part in parts)
    if not fits or repo_id.endswith(".git"):
        raise ValueError(
            f"repo id {repo_id!r} is no USER/NAME: letters, digits, '-', '_' and '.', each part of at most 96 "
            "characters, such as someone/moving-digits."
        )
    return repo_id
