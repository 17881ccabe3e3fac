"""`heygen-hf train RECIPE --overfit-one-batch`: does the training learn one batch by heart?

The same clips (captions, rows) every step, as the first step draws them: no augmentation, no dropout, the same noise
and timesteps. A model, a loss and an optimiser that fit each other then bring the loss down to nearly nothing in a few
hundred steps; where they do not, no amount of data and time would help.
"""

import math
import os
import shutil
import statistics
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Literal

from heygen_hf.tasks.bare_training import bare_training
from heygen_hf.tasks.local_models import check_local_models
from heygen_hf.tasks.recipe import Recipe, load_recipe, recipe_of_values, resolved_yaml
from heygen_hf.tasks.run_folder import RunFolder, write_json, write_text
from heygen_hf.training import JsonLinesLog
from heygen_hf.training.debugging.one_batch import without_dropout
from heygen_hf.training.monitoring.finiteness import NonFiniteError

STEPS = 200
RESULT = "overfit.json"
_LEARNED, _FELL = 0.1, 0.5  # of the first loss

Verdict = Literal["learned", "slow", "stuck", "unknown"]


@dataclass(frozen=True)
class OneBatch:
    """How it went.

    Attributes:
        verdict: "learned", the loss fell to a tenth or less; "slow", to a half or less; "stuck" otherwise; "unknown"
            where it began at 0 or below.
        first_loss, last_loss: of the first step, and that of the last tenth of the steps; None before the first.
        steps: taken.
        folder: of its recipe, its log and these figures.
        problem: where a value was no number: which, at which step, in which clips.
    """

    verdict: Verdict
    first_loss: float | None
    last_loss: float | None
    steps: int
    folder: Path
    problem: str | None = None

    def line(self) -> str:
        """For people."""
        if self.problem is not None or self.first_loss is None or self.last_loss is None:
            return f"stuck: {self.problem or 'no loss was logged'}"
        if self.verdict == "unknown":
            return (
                f"cannot be judged: the loss went from {self.first_loss:.4g} to {self.last_loss:.4g} in {self.steps} "
                "steps on one batch, and one that begins at 0 or below has no tenth to fall to."
            )
        share = self.last_loss / self.first_loss
        fell = f"the loss went from {self.first_loss:.4g} to {self.last_loss:.4g} ({share:.1%}) in {self.steps} steps"
        if self.verdict == "learned":
            return f"ok: {fell} on one batch; model, loss and optimiser learn."
        if self.verdict == "slow":
            return (
                f"slow: {fell} on one batch. It learns; look whether more steps (training.max_steps=…) or a higher "
                "learning rate bring it below a tenth."
            )
        return (
            f"stuck: {fell} on one batch. It does not learn this by heart: look at the learning rate, at labels that "
            "contradict each other, at frozen or detached parts, and at heygen-hf doctor --gradients."
        )


def overfit_one_batch(path: str | Path, overrides: Sequence[str] = ()) -> OneBatch:
    """Train the recipe at `path` on its first batch, in a folder of its own, `<output_dir>_overfit_one_batch`.

    Args:
        path: a YAML recipe.
        overrides: `section.key=value` laid over it; `training.max_steps` is 200 at most unless it is among them.

    Raises:
        ValueError: the recipe cannot work, or the folder holds something else.
    """
    if int(os.environ.get("WORLD_SIZE", "1")) > 1:
        raise ValueError("--overfit-one-batch trains on the batch of one process: start it without accelerate launch.")
    recipe = load_recipe(path, overrides)
    check_local_models(recipe)
    own_steps = any(override.partition("=")[0].strip() == "training.max_steps" for override in overrides)
    recipe = _short(recipe, most_steps=None if own_steps else STEPS)
    folder = RunFolder(recipe.output_dir)
    _clear(folder.path)
    training = bare_training(recipe)
    trainer = training.build_trainer(recipe, folder, callbacks=[JsonLinesLog(folder.log)])
    write_text(folder.recipe, resolved_yaml(recipe))
    without_dropout(trainer.model)
    trainer.repeat_first_batch()
    trainer.can_be_resumed = False
    problem = None
    try:
        trainer.train()
    except NonFiniteError as error:
        problem = str(error)
    losses = [entry["loss"] for entry in trainer.state.log_history if "loss" in entry]
    if folder.checkpoints.is_dir():
        shutil.rmtree(folder.checkpoints)
    result = judge(losses, steps=trainer.state.global_step, folder=folder.path, problem=problem)
    write_json(folder.path / RESULT, {**asdict(result), "folder": folder.path.name})
    return result


def judge(losses: Sequence[float], *, steps: int, folder: Path, problem: str | None = None) -> OneBatch:
    """The verdict on the loss of the first step and the means that followed it."""
    bad = next((loss for loss in losses if not math.isfinite(loss)), None)
    if problem is None and bad is not None:
        problem = f"the loss is {bad}"
    losses = [loss for loss in losses if math.isfinite(loss)]
    if not losses:
        return OneBatch("stuck", None, None, steps, folder, problem or "no loss was logged")
    last = statistics.median(losses[-max(1, len(losses) // 10) :])
    if problem is not None:
        return OneBatch("stuck", losses[0], last, steps, folder, problem)
    if losses[0] <= 0:
        return OneBatch("unknown", losses[0], last, steps, folder)
    share = last / losses[0]
    verdict: Verdict = "learned" if share <= _LEARNED else "slow" if share <= _FELL else "stuck"
    return OneBatch(verdict, losses[0], last, steps, folder)


def _short(recipe: Recipe, *, most_steps: int | None) -> Recipe:
    """The recipe on one batch: nothing random, nothing evaluated or saved."""
    values: dict[str, Any] = recipe.to_dict()
    training = values["training"]
    steps = training.get("max_steps", -1)
    if most_steps is not None:
        steps = min(steps, most_steps) if steps > 0 else most_steps
    training |= {
        "max_steps": steps,
        "warmup_steps": min(training.get("warmup_steps", 10), 10),
        "gradient_accumulation_steps": 1,
        "ema_decay": None,
        "logging_first_step": True,
        "logging_steps": max(1, steps // 20),
        "eval_strategy": "no",
        "save_strategy": "no",
        "load_best_model_at_end": False,
        "report_to": "none",
        "compile_blocks": "never",
    }
    training.pop("label_smoothing_factor", None)
    if isinstance(values.get("data"), dict) and "augmentation" in values["data"]:
        values["data"]["augmentation"] = None
    name = recipe.output_dir.name
    values["output_dir"] = str(recipe.output_dir.with_name(f"{name}_overfit_one_batch"))
    values.pop("search", None)
    return recipe_of_values(values, path=recipe.path)


def _clear(folder: Path) -> None:
    """Take away what an earlier try left; refuse anything else."""
    held = {path.name for path in folder.iterdir()} if folder.is_dir() else set()
    own = {"recipe.yaml", "log.jsonl", RESULT, "checkpoints", "samples", "report.html", "histograms.jsonl"}
    if not held <= own:
        odd = sorted(held - own)[0]
        raise ValueError(f"{folder} holds something else ({odd}, …): remove it, or give another output_dir.")
    if held:
        shutil.rmtree(folder)
