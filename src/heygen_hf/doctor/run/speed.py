"""Is the machine used well: waiting for data, padding, the share of the device's peak; and clips that were replaced."""

from heygen_hf.doctor.finding import Finding
from heygen_hf.training.debugging.run_records import RunRecords, typical

_MUCH_WAITING, _MUCH_PADDING, _LOW_MFU = 0.15, 0.3, 0.2
_NAMED = 3


def examine_speed(run: RunRecords) -> list[Finding]:
    """Findings about the data's way and the device."""
    found = [waiting(run), padding(run), utilisation(run), replaced_clips(run), left_out(run)]
    return [finding for finding in found if finding is not None]


def waiting(run: RunRecords) -> Finding | None:
    """The share of the time that training waits for the next batch."""
    remedy = "more workers (data.num_workers), or decode and encode once: heygen-hf data cache RECIPE"
    return _share(run, "data_wait_share", "Waiting for data", of="the time", at_most=_MUCH_WAITING, remedy=remedy)


def padding(run: RunRecords) -> Finding | None:
    """The share of the tokens that only fill up batches."""
    remedy = "group what is alike (data.buckets for clips), pack texts, or lower the longest length"
    return _share(run, "padding_share", "Padding", of="the tokens", at_most=_MUCH_PADDING, remedy=remedy)


def _share(run: RunRecords, key: str, subject: str, *, of: str, at_most: float, remedy: str) -> Finding | None:
    """A finding about a logged share; None where it was not logged."""
    _, values = run.series(key)
    if not values:
        return None
    share = typical(values)
    found = f"{share:.1%} of {of}"
    if share <= at_most:
        return Finding(subject=subject, state="ok", found=found)
    return Finding(subject=subject, state="note", found=found, remedy=remedy)


def utilisation(run: RunRecords) -> Finding | None:
    """Achieved FLOP/s over the device's measured peak; small models on a CPU never come near it."""
    _, values = run.series("mfu")
    if not values:
        return None
    share = typical(values)
    on_gpu = "gpu" in (run.facts.get("hardware") or {})
    if share >= _LOW_MFU or not on_gpu:
        return Finding(subject="MFU", state="ok", found=f"{share:.1%} of the device's measured peak")
    return Finding(
        subject="MFU",
        state="note",
        found=f"{share:.1%} of the device's measured peak",
        remedy="larger batches, training.compile_blocks=always, training.precision=bf16, a larger hidden_size; and see "
        "that it does not wait for data",
    )


def replaced_clips(run: RunRecords) -> Finding | None:
    """Clips that could no longer be read while training."""
    replaced = run.facts.get("replaced_clips") or {}
    if not replaced:
        return None
    named = "; ".join(f"{name}: {reason}" for name, reason in list(replaced.items())[:_NAMED])
    return Finding(
        subject="Replaced clips",
        state="note",
        found=f"{len(replaced)} clips could not be read while training ({named})",
        remedy="mend or remove those files; heygen-hf plan RECIPE looks at each of them",
    )


def left_out(run: RunRecords) -> Finding | None:
    """Files that were not used at all."""
    reports = run.facts.get("reports") or {}
    counts = {split: len(report.get("skipped") or []) for split, report in reports.items()}
    out = {split: count for split, count in counts.items() if count}
    if not reports:
        return None
    if not out:
        used = ", ".join(f"{report.get('num_used')} {split}" for split, report in reports.items())
        return Finding(subject="Data", state="ok", found=f"all rows are used ({used})")
    named = ", ".join(f"{count} of {split}" for split, count in out.items())
    return Finding(subject="Data", state="note", found=f"left out: {named}", remedy="run.json names each with why")
