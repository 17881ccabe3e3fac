"""What the gate does and found, a line a check."""

import time
from collections.abc import Callable, Sequence

from heygen_hf.hub.gate import Check


def tell(checks: Sequence[Check], say: Callable[[str], None]) -> None:
    """`ok` or `NOT`, what was checked, and what is wrong with it."""
    for check in checks:
        verdict = "ok " if check.problem is None else "NOT"
        say(f"  {verdict} {check.name}" + (f": {check.problem}" if check.problem else ""))


def tell_of_loading(load: Callable[[], list[Check]], say: Callable[[str], None], *, where: str) -> list[Check]:
    """Load in a clean process, and say what it found and what it cost."""
    say(f"loading {where} in a clean process")
    started = time.monotonic()
    checks = load()
    tell(checks, say)
    say(f"  it took {time.monotonic() - started:.0f} s")
    return checks
