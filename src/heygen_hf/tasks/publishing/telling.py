"""What the gate found, a line a check."""

from collections.abc import Callable, Sequence

from heygen_hf.hub.gate import Check


def tell(checks: Sequence[Check], say: Callable[[str], None]) -> None:
    """`ok` or `NOT`, what was checked, and what is wrong with it."""
    for check in checks:
        verdict = "ok " if check.problem is None else "NOT"
        say(f"  {verdict} {check.name}" + (f": {check.problem}" if check.problem else ""))
