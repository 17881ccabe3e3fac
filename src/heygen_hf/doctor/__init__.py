"""What this machine has, what clashes, how a run fares, and the command that puts it right.

`examine_run` (`run/`) and `examine_gradients` (`gradients.py`) are imported from there: they need libraries to load,
whose failing is what `examine` reports.
"""

from heygen_hf.doctor.finding import Finding, State
from heygen_hf.doctor.machine import examine_machine
from heygen_hf.doctor.software import examine_software

__all__ = [
    "Finding",
    "State",
    "examine",
    "examine_machine",
    "examine_software",
]


def examine() -> list[Finding]:
    """Every finding about this machine, the software's first. It changes nothing and uses no network."""
    return [*examine_software(), *examine_machine()]
