"""Recipes: one strict YAML file that says what a run is made of.

A recipe has a `task`, an `output_dir`, a `seed`, and the sections its task declares. An unknown key, a wrong
type or a missing value is a one-line `RecipeError` that names the file or override and the nearest known key.

Example::

    base: moving_digits.yaml        # optional: lie over another recipe, relative to this one
    task: text_to_video
    data:
      train: path/to/my_clips
    training:
      max_steps: 2000
      learning_rate: 1e-3
"""

import dataclasses
import types
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Union, get_args, get_origin

from heygen_hf.tasks.recipe_values import (
    ValueMismatchError,
    build_dataclass,
    check_keywords,
    coerce,
    nearest_of,
    plain,
    unknown_key,
)
from heygen_hf.tasks.recipe_yaml import RecipeError, RecipeValues, dump_yaml, lay_overrides, read_recipe_values
from heygen_hf.tasks.registry import TASKS, task_module
from heygen_hf.tasks.search_section import SearchSection

SECTION_NAMES = (
    "model",
    "audio",
    "data",
    "processor",
    "training",
    "generation",
    "evaluation",
    "peft",
    "hub",
    "search",
    "distillation",
)

# What a recipe must not say in `training`, because it is said elsewhere; and where.
_SAID_ELSEWHERE = {
    "output_dir": "set output_dir at the top of the recipe",
    "seed": "set seed at the top of the recipe",
    "resume_from_checkpoint": "use --resume auto, or --resume and a checkpoint's path",
    "hub_token": "put the token in HF_TOKEN: a recipe is saved and published with the run",
}


@dataclass(frozen=True, kw_only=True)
class Recipe:
    """A recipe, read, checked and complete.

    Sections are instances of the dataclasses that the task declares. `training`, and any other section
    declared as a `TrainingArguments` or `PreTrainedConfig` class, is a dict of checked keyword arguments for
    it, since making one has side effects or wants values known later. A section the task lacks is None.

    Attributes:
        task: a key of `heygen_hf.tasks.TASKS`.
        output_dir: the run's folder; `outputs/<name>` unless the recipe says otherwise.
        seed: of everything random in the run, at least 0.
        path: the file it was read from.
    """

    task: str
    output_dir: Path
    seed: int
    model: Any = None
    audio: Any = None
    data: Any = None
    processor: Any = None
    training: Any = None
    generation: Any = None
    evaluation: Any = None
    peft: Any = None
    hub: Any = None
    search: Any = None
    distillation: Any = None
    path: Path = field(compare=False)

    @property
    def name(self) -> str:
        """The recipe's file name without its ending."""
        return self.path.stem

    def to_dict(self) -> dict[str, Any]:
        """All values, defaults included, as YAML and JSON hold them; sections that are None are left out."""
        top = {"task": self.task, "output_dir": str(self.output_dir), "seed": self.seed}
        sections = {name: plain(getattr(self, name)) for name in SECTION_NAMES}
        return top | {name: values for name, values in sections.items() if values is not None}


def load_recipe(
    path: str | Path, overrides: Sequence[str] = (), *, sections: Mapping[str, Any] | None = None
) -> Recipe:
    """Read the recipe at `path`, with `overrides` laid over it.

    Args:
        path: a YAML file.
        overrides: `section.key=value`, each value read as YAML: `training.max_steps=200`,
            `data.label_columns=[colour, digit]`.
        sections: section name → type, in place of the `SECTIONS` of the recipe's task.

    Raises:
        RecipeError: the file is missing or no YAML mapping, a key is unknown, a value has the wrong type, or
            one that is needed is missing.
    """
    path = Path(path)
    return _built(read_recipe_values(path, overrides), path, sections)


def recipe_of_values(values: dict[str, Any], overrides: Sequence[str] = (), *, path: str | Path) -> Recipe:
    """A recipe of plain values, with `overrides` laid over it, as if it had been read from `path`.

    Raises:
        RecipeError: as for `load_recipe`.
    """
    gathered = RecipeValues(source=str(path))
    gathered.merge(values, source=str(path))
    lay_overrides(gathered, overrides)
    return _built(gathered, Path(path), None)


def _built(gathered: RecipeValues, path: Path, sections: Mapping[str, Any] | None) -> Recipe:
    try:
        return _build(gathered, path, sections)
    except ValueMismatchError as mismatch:
        problem = " ".join(f"{mismatch.where} {mismatch.problem}".split())
        raise RecipeError(f"{gathered.source_of(mismatch.where)}: {problem}") from mismatch


def resolved_yaml(recipe: Recipe) -> str:
    """The recipe with its base, overrides and defaults written out; loading it gives an equal recipe."""
    return dump_yaml(recipe.to_dict())


def _build(gathered: RecipeValues, path: Path, sections: Mapping[str, Any] | None) -> Recipe:
    values = gathered.values
    task = values.get("task")
    if task is None:
        raise ValueMismatchError("task", f"is missing; add `task: …`, one of {', '.join(TASKS)}")
    if sections is None:
        if task not in TASKS:
            nearest = nearest_of(str(task), TASKS)
            hint = f"did you mean {nearest}?" if nearest else f"there are {', '.join(TASKS)}"
            raise ValueMismatchError("task", f"{task!r} is not a known task; {hint}")
        sections = {**task_module(task).SECTIONS, "search": SearchSection | None}
    undeclared = set(sections) - set(SECTION_NAMES)
    assert not undeclared, f"a task's sections are among {SECTION_NAMES}, not {undeclared}"

    for key in values:
        if key not in ("task", "output_dir", "seed", *sections):
            raise ValueMismatchError(str(key), _unknown_at_top(key, task, sections))
    output_dir = coerce(values.get("output_dir", f"outputs/{path.stem}"), Path, where="output_dir")
    seed = coerce(values.get("seed", 0), int, where="seed")
    if seed < 0:
        raise ValueMismatchError("seed", f"must be at least 0, got {seed}")
    built = {name: _build_section(name, annotation, values.get(name)) for name, annotation in sections.items()}
    return Recipe(task=coerce(task, str, where="task"), output_dir=output_dir, seed=seed, path=path, **built)


def _build_section(name: str, annotation: Any, values: Any) -> Any:
    members = get_args(annotation) if get_origin(annotation) in (Union, types.UnionType) else (annotation,)
    if values is None and types.NoneType in members:
        return None
    (section_type,) = (member for member in members if member is not types.NoneType)
    if values is None:
        # `training:` with nothing below it reads as null; it means the defaults, as leaving it out does.
        values = {}
    if not isinstance(values, dict):
        raise ValueMismatchError(name, f"must be a section of keys, got {values!r}")
    if _collects_keywords(section_type):
        for key, remedy in _SAID_ELSEWHERE.items():
            if name == "training" and key in values:
                raise ValueMismatchError(f"{name}.{key}", f"does not go here; {remedy}")
        return check_keywords(section_type, values, where=name)
    if dataclasses.is_dataclass(section_type):
        return build_dataclass(section_type, values, where=name)  # type: ignore[arg-type]
    return coerce(values, section_type, where=name)


def _collects_keywords(section_type: Any) -> bool:
    """Told by name, so that reading a recipe does not import transformers where its task does not."""
    names = {ancestor.__name__ for ancestor in getattr(section_type, "__mro__", ())}
    return bool(names & {"TrainingArguments", "PreTrainedConfig"})


def _unknown_at_top(key: Any, task: str, sections: Mapping[str, Any]) -> str:
    if key in SECTION_NAMES:
        return f"is not a section of the task {task}, which has {', '.join(sections)}"
    for name, annotation in sections.items():
        for member in filter(dataclasses.is_dataclass, (annotation, *get_args(annotation))):
            if key in {entry.name for entry in dataclasses.fields(member)}:
                return f"is not a key of the recipe's top; did you mean {name}.{key}?"
    return unknown_key(key, ["task", "output_dir", "seed", "base", *sections])
