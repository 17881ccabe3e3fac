"""Where a run stands: finished or not, its checkpoints, what it should have written."""

import time
from pathlib import Path

from heygen_hf.doctor.finding import Finding
from heygen_hf.training.debugging.run_records import RunRecords

_STILL_WRITING_SECONDS = 120


def examine_progress(run: RunRecords) -> list[Finding]:
    """Findings about the run's course."""
    return [standing(run), *checkpoints(run), *products(run), *evaluations(run)]


def standing(run: RunRecords) -> Finding:
    """Finished, training, or stopped, and how to go on."""
    subject, wanted, steps = "Run", run.max_steps, run.facts.get("steps", run.last_step)
    of = f" of {wanted}" if wanted is not None else ""
    if run.facts and (wanted is None or steps >= wanted) and (run.path / "README.md").is_file():
        return Finding(subject=subject, state="ok", found=f"finished after {steps} steps")
    if not run.entries and not run.facts and not any((run.path / "checkpoints").glob("checkpoint-*")):
        return Finding(
            subject=subject, state="note", found="it stopped before its first log entry", remedy=_train(run, "auto")
        )
    if _is_training(run):
        return Finding(subject=subject, state="ok", found=f"at step {steps}{of}; it is being trained")
    from heygen_hf.training.checkpoints.files import newest_checkpoint

    newest, _ = newest_checkpoint(run.path / "checkpoints")
    place = f"goes on from {newest.name}" if newest is not None else "has no whole checkpoint and starts anew"
    what = "trained, and not exported or measured to the end" if wanted == steps else f"stopped at step {steps}{of}"
    return Finding(subject=subject, state="note", found=f"{what}; it {place}", remedy=_train(run, "auto"))


def checkpoints(run: RunRecords) -> list[Finding]:
    """Whole ones, torn ones, and what a kill left behind."""
    from heygen_hf.training.checkpoints.files import STAGING, checkpoint_problem

    folder = run.path / "checkpoints"
    found = sorted(folder.glob("checkpoint-*"), key=lambda path: (len(path.name), path.name))
    if not found:
        return []
    torn = {path.name: problem for path in found if (problem := checkpoint_problem(path)) is not None}
    findings = [
        Finding(
            subject="Checkpoint",
            state="note",
            found=f"{name} cannot be used: {problem}",
            remedy=f"nothing needs it, and --resume auto passes it over; to free its space: rm -r {folder / name}",
        )
        for name, problem in torn.items()
    ]
    whole = [path.name for path in found if path.name not in torn]
    if whole:
        findings.append(Finding(subject="Checkpoints", state="ok", found=f"whole: {', '.join(whole)}"))
    if (folder / STAGING).exists() and not _is_training(run):
        found_there = f"a save that never ended lies in checkpoints/{STAGING}"
        remedy = "it is removed when the run goes on"
        findings.append(Finding(subject="Checkpoints", state="note", found=found_there, remedy=remedy))
    return findings


def products(run: RunRecords) -> list[Finding]:
    """Of a run that has all its steps: export, figures, card."""
    if not run.facts and (run.max_steps is None or run.last_step < run.max_steps):
        return []
    missing = []
    exports = ("model_index.json", "config.json", "adapter_config.json", "base_pipeline.json")
    if not any((run.path / name).is_file() for name in exports):
        missing.append("no exported model")
    if not (run.path / "metrics.json").is_file() and (run.recipe.get("evaluation") or {}).get("enabled", True):
        missing.append("no metrics.json")
    if not (run.path / "README.md").is_file():
        missing.append("no README.md")
    if not missing:
        return [Finding(subject="Export", state="ok", found="exported, with its card")]
    return [Finding(subject="Export", state="note", found=", ".join(missing), remedy=_train(run, "auto"))]


def evaluations(run: RunRecords) -> list[Finding]:
    """Did the validation loss ever get computed?"""
    steps, _ = run.series("eval_loss")
    every = run.training.get("eval_steps", 500)
    if steps:
        return [Finding(subject="Validation", state="ok", found=f"{len(steps)} times, the last at step {steps[-1]}")]
    if not run.entries or (isinstance(every, int | float) and run.last_step < every <= (run.max_steps or every)):
        return []  # not yet
    found = f"never ran in {run.last_step} steps"
    if run.training.get("eval_strategy") == "no":
        remedy = "set training.eval_strategy=steps, or nobody sees the model overfit"
    elif isinstance(every, int | float) and run.max_steps is not None and every > run.max_steps:
        remedy = f"training.eval_steps={every} is more than the run has steps: lower it"
    else:
        remedy = "the data have no validation split: name one in data.validation"
    return [Finding(subject="Validation", state="note", found=found, remedy=remedy)]


def _train(run: RunRecords, resume: str) -> str:
    return f"heygen-hf train {run.path / 'recipe.yaml'} --resume {resume}"


def _is_training(run: RunRecords) -> bool:
    """Whether a process holds the run's checkpoints; where no locks tell, whether its log has just been written."""
    from heygen_hf.training.checkpoints.lock import has_writer

    held = has_writer(run.path / "checkpoints")
    return _seconds_since_log(run) < _STILL_WRITING_SECONDS if held is None else held


def _seconds_since_log(run: RunRecords) -> float:
    log: Path = run.path / "log.jsonl"
    return time.time() - log.stat().st_mtime if log.is_file() else float("inf")
