"""What a run's folder says about its health."""

from pathlib import Path

from heygen_hf.doctor.finding import Finding
from heygen_hf.doctor.run.learning import examine_learning
from heygen_hf.doctor.run.progress import examine_progress
from heygen_hf.doctor.run.speed import examine_speed
from heygen_hf.training.debugging.run_records import RunRecords, read_run

__all__ = ["RunRecords", "examine_run", "read_run"]


def examine_run(path: str | Path) -> list[Finding]:
    """Every finding about the run at `path`, finished or not. It changes nothing.

    Raises:
        ValueError: there is no run.
    """
    run = read_run(path)
    return [*examine_progress(run), *examine_learning(run), *examine_speed(run)]
