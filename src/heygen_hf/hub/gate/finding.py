"""What the gate found."""

from collections.abc import Sequence
from dataclasses import dataclass


@dataclass(frozen=True)
class Check:
    """One thing that was checked.

    Attributes:
        name: what.
        problem: why it must not be published; None where it is well.
    """

    name: str
    problem: str | None = None


class GateError(ValueError):
    """A repository did not pass; the message is one line."""

    def __init__(self, checks: Sequence[Check], *, what: str = "not published") -> None:
        self.checks = list(checks)
        failed = [check for check in checks if check.problem]
        reasons = "; ".join(f"{check.name}: {_short(str(check.problem))}" for check in failed[:3])
        more = f"; and {len(failed) - 3} more" if len(failed) > 3 else ""
        super().__init__(f"{what}: {len(failed)} of {len(checks)} checks failed: {reasons}{more}")


def _short(text: str, most: int = 240) -> str:
    return text if len(text) <= most else f"{text[:most].rstrip()}…"


def require_all(checks: Sequence[Check], *, what: str = "not published") -> None:
    """Raise a `GateError` unless all is well."""
    if any(check.problem for check in checks):
        raise GateError(checks, what=what)
