"""The `search` section of every recipe: what `heygen-hf search` varies; `train` passes it over."""

from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from typing import Any, Literal

from heygen_hf.tasks.recipe_values import build_dataclass


@dataclass(kw_only=True)
class SearchDimension:
    """The values of one key: a range, or choices.

    Args:
        low, high: of a range, both inside it. Two whole numbers mean whole numbers; write 1.0 for a real one.
        log: whether a range is drawn on a logarithmic scale.
        step: of a range: values are low, low + step, …
        choices: any values that the key takes.
    """

    low: float | int | None = None
    high: float | int | None = None
    log: bool = False
    step: float | int | None = None
    choices: list[Any] | None = None

    def __post_init__(self) -> None:
        if self.choices is not None:
            if self.low is not None or self.high is not None or self.step is not None or self.log:
                raise ValueError("give either choices or a range (low, high, log, step)")
            if not self.choices:
                raise ValueError("choices is empty; name a value")
            if any(choice in self.choices[:i] for i, choice in enumerate(self.choices)):
                raise ValueError(f"choices has a value twice: {self.choices}")
            return
        if self.low is None or self.high is None:
            raise ValueError("needs low and high, or choices")
        if not self.low < self.high:
            raise ValueError(f"low must be below high, got {self.low} and {self.high}")
        if self.log and self.low <= 0:
            raise ValueError(f"log needs low above 0, got {self.low}")
        if self.step is not None and (self.log or self.step <= 0):
            raise ValueError("step must be above 0 and does not go with log")
        if self.step is not None and self.is_whole and not isinstance(self.step, int):
            raise ValueError(f"a step between whole numbers is whole, got {self.step}")

    @property
    def is_whole(self) -> bool:
        """Whether a range is of whole numbers."""
        return isinstance(self.low, int) and isinstance(self.high, int)

    @property
    def probes(self) -> list[Any]:
        """The values to try before anything runs: all choices, or the ends of the range."""
        return list(self.choices) if self.choices is not None else [self.low, self.high]


@dataclass(kw_only=True)
class SearchSection:
    """What is searched, by what figure, and for how long.

    Args:
        space: any key of the recipe → [`SearchDimension`]; `training.learning_rate: {…}`, or nested like the recipe.
        metric: what is compared, a key of the trainer's evaluation, with or without `eval_`.
        direction: None minimises a loss; of another metric it must be said.
        steps: of a trial, in place of `training.max_steps`; None takes those.
        evaluations: of each trial, evenly spread, the last one at its end; all but that one can end it early.
        pruner: "median" ends a trial that is worse than the median of the others at the same step.
        sampler: "tpe" learns from the trials so far, "random" does not.
        timeout_minutes: no trial starts after so long; None for no limit.
    """

    space: dict[str, Any] = field(default_factory=dict)
    metric: str = "eval_loss"
    direction: Literal["minimize", "maximize"] | None = None
    steps: int | None = None
    evaluations: int = 4
    pruner: Literal["median", "none"] = "median"
    sampler: Literal["tpe", "random"] = "tpe"
    timeout_minutes: float | None = None

    def __post_init__(self) -> None:
        self.space = dict(_dimensions(self.space, where="search.space"))
        if not self.metric.startswith("eval_"):
            self.metric = f"eval_{self.metric}"
        if self.direction is None:
            if "loss" not in self.metric:
                raise ValueError(f"metric {self.metric} is no loss: say direction: maximize or minimize")
            self.direction = "minimize"
        for name in ("steps", "timeout_minutes", "evaluations"):
            if getattr(self, name) is not None and getattr(self, name) <= 0:
                raise ValueError(f"{name} must be above 0, got {getattr(self, name)}")


def _dimensions(space: Mapping[Any, Any], *, where: str, prefix: str = "") -> list[tuple[str, SearchDimension]]:
    """The dimensions by dotted key, however deep they are nested."""
    known = {entry.name for entry in fields(SearchDimension)}
    found = []
    for name, value in space.items():
        key = f"{prefix}{name}"
        if isinstance(value, SearchDimension):
            found.append((key, value))
        elif isinstance(value, Mapping) and value and not known & set(value) and _holds_mappings(value):
            found += _dimensions(value, where=where, prefix=f"{key}.")
        elif isinstance(value, Mapping):
            found.append((key, build_dataclass(SearchDimension, dict(value), where=f"{where}.{key}")))
        else:
            raise ValueError(f"space: {key} must be {{low: …, high: …}} or {{choices: […]}}, got {value!r}")
    return found


def _holds_mappings(value: Mapping[Any, Any]) -> bool:
    return all(isinstance(inner, Mapping | SearchDimension) for inner in value.values())
