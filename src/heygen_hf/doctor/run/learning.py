"""Does a run learn: loss, validation, gradients, learning rate, average."""

import itertools
import math

from heygen_hf.doctor.finding import Finding
from heygen_hf.training.debugging.run_records import RunRecords, tail, typical

_FEWEST_ENTRIES = 8  # of a series, to say anything of its course
_DIVERGED, _PLATEAU, _OVERFIT, _SPIKE = 2.0, 0.97, 1.1, 10.0
_ALWAYS_CLIPPED = 0.9


def examine_learning(run: RunRecords) -> list[Finding]:
    """Findings about the curves."""
    found = [loss(run), overfitting(run), gradients(run), clipping(run), learning_rate(run), average(run)]
    return [finding for finding in found if finding is not None]


def loss(run: RunRecords) -> Finding | None:
    """Finite, falling, and not risen again."""
    steps, values = run.series("loss")
    if not values:
        return None
    broken = next((step for step, value in zip(steps, values, strict=True) if not math.isfinite(value)), None)
    if broken is not None:
        return Finding(
            subject="Loss",
            state="broken",
            found=f"no number at step {broken}",
            remedy="lower training.learning_rate or set training.precision=fp32; training.find_nonfinite=true names "
            "the layer",
        )
    first, last = values[0], typical(tail(values))
    shown = f"{first:.4g} at step {steps[0]}, {last:.4g} about step {steps[-1]} (the median of the last entries)"
    if len(values) < _FEWEST_ENTRIES:
        return Finding(subject="Loss", state="ok", found=f"{shown}; too few entries to judge its course")
    # Of three entries each: a single low one is chance.
    best_at = min(range(len(values) - 2), key=lambda i: typical(values[i : i + 3]))
    best, best_step = typical(values[best_at : best_at + 3]), steps[best_at + 1]
    positive = best > 0
    if positive and last > _DIVERGED * best and best_step < steps[-1] * 0.9:
        return Finding(
            subject="Loss",
            state="broken",
            found=f"it diverges: {best:.4g} around step {best_step}, {last:.4g} now",
            remedy=f"go back to a checkpoint before step {best_step}, with a lower training.learning_rate or more "
            "training.warmup_steps",
        )
    if positive and last > _PLATEAU * first:
        return Finding(
            subject="Loss",
            state="note",
            found=f"it has not fallen: {shown}; a classifier at ln(classes) guesses",
            remedy=f"heygen-hf train {run.path / 'recipe.yaml'} --overfit-one-batch says whether it can learn at all",
        )
    return Finding(subject="Loss", state="ok", found=shown)


def overfitting(run: RunRecords) -> Finding | None:
    """Validation that rises while the training loss falls."""
    steps, values = run.series("eval_loss")
    _, training = run.series("loss")
    if len(values) < 3 or not all(map(math.isfinite, values)):
        return None
    best = min(range(len(values)), key=values.__getitem__)
    rises = values[best] > 0 and values[-1] > _OVERFIT * values[best] and best < len(values) - 1
    if rises and len(training) >= 2 and typical(tail(training)) < training[0]:
        return Finding(
            subject="Overfitting",
            state="note",
            found=f"eval_loss was {values[best]:.4g} at step {steps[best]} and is {values[-1]:.4g}, while the training "
            "loss fell",
            remedy="stop earlier (training.load_best_model_at_end=true keeps the best), take more data, augmentation "
            "or dropout, or a smaller model",
        )
    return Finding(subject="Overfitting", state="ok", found=f"eval_loss {values[-1]:.4g}, at best {values[best]:.4g}")


def gradients(run: RunRecords) -> Finding | None:
    """Zero, no numbers, or spikes."""
    steps, values = run.series("grad_norm")
    if not values:
        return None
    if not any(math.isfinite(value) and value > 0 for value in values):
        return Finding(
            subject="Gradient",
            state="broken",
            found="its norm is never above 0: nothing is learned",
            remedy="look for frozen weights, a detached loss, or a learning rate of 0; heygen-hf doctor --gradients "
            "checks the losses",
        )
    usual = typical(values)
    # A fresh model's gradients are large, and say nothing.
    settled = [(step, value) for step, value in zip(steps, values, strict=True) if step > 0.1 * steps[-1]]
    spikes = [step for step, value in settled if not value <= _SPIKE * usual]
    if spikes and len(values) >= _FEWEST_ENTRIES:
        named = ", ".join(map(str, spikes[:5])) + (" …" if len(spikes) > 5 else "")
        return Finding(
            subject="Gradient",
            state="note",
            found=f"{len(spikes)} of {len(values)} logged norms are over {_SPIKE:.0f} × the usual {usual:.3g} (step "
            f"{named})",
            remedy="a lower training.learning_rate, more training.warmup_steps, or a look at the clips of those steps",
        )
    return Finding(subject="Gradient", state="ok", found=f"norm {usual:.3g} usually, {max(values):.3g} at most")


def clipping(run: RunRecords) -> Finding | None:
    """Clipped nearly always, the norm decides nothing and the learning rate is another than it says."""
    _, values = run.series("grad_norm")
    most = run.training.get("max_grad_norm", 1.0)
    if len(values) < _FEWEST_ENTRIES or not isinstance(most, int | float) or most <= 0:
        return None
    share = sum(value > most for value in values) / len(values)
    if share < _ALWAYS_CLIPPED:
        return None
    return Finding(
        subject="Clipping",
        state="note",
        found=f"{share:.0%} of the logged gradient norms are above training.max_grad_norm={most}",
        remedy=f"raise it to about {_rounded(2 * typical(values))}, or lower the learning rate by as much",
    )


def learning_rate(run: RunRecords) -> Finding | None:
    """Zero while there is still something to train."""
    steps, values = run.series("learning_rate")
    if not values:
        return None
    if not any(values):
        remedy = "set training.learning_rate (training.muon_learning_rate with optimizer=muon) above 0"
        return Finding(subject="Learning rate", state="broken", found="0 in every entry", remedy=remedy)
    zero = list(itertools.takewhile(lambda pair: pair[1] == 0, zip(steps[::-1], values[::-1], strict=True)))
    wasted = zero[0][0] - zero[-1][0] if zero else 0
    if wasted > 0.05 * (run.max_steps or run.last_step):
        return Finding(
            subject="Learning rate",
            state="note",
            found=f"0 from step {zero[-1][0]} to {zero[0][0]}: nothing is learned there",
            remedy="training.linear_decay_share or lr_scheduler_type end it with the run; was max_steps raised later?",
        )
    return Finding(subject="Learning rate", state="ok", found=f"{max(values):.3g} at most, {values[-1]:.3g} at last")


def average(run: RunRecords) -> Finding | None:
    """An average over more steps than there are never forgets its random start, or only by its warm-up."""
    decay = run.training.get("ema_decay")
    steps = run.max_steps or run.last_step
    if not isinstance(decay, int | float) or not 0 <= decay < 1 or not steps:
        return None
    window = 1 / (1 - decay)
    if window <= steps:
        return Finding(subject="EMA", state="ok", found=f"averages about {window:.0f} of {steps} steps")
    return Finding(
        subject="EMA",
        state="note",
        found=f"ema_decay={decay} averages about {window:,.0f} steps, and the run has {steps:,}",
        remedy=f"training.ema_decay={1 - 10 / steps:.4g} averages a tenth of it" if steps > 20 else "leave it out",
    )


def _rounded(value: float) -> float:
    return float(f"{value:.1g}")
