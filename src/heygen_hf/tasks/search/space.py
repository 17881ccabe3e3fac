"""From a recipe's `search.space` to the recipe of a trial, and what is refused before any trial."""

import itertools
import json
import random
from collections.abc import Callable, Mapping
from typing import Any

from heygen_hf.tasks.recipe import Recipe, recipe_of_values
from heygen_hf.tasks.recipe_yaml import RecipeError
from heygen_hf.tasks.search_section import SearchDimension, SearchSection

# They decide nothing of what is compared, or the search sets them itself.
_FIXED_SECTIONS = ("search", "generation", "evaluation", "hub")
_FIXED_KEYS = ("task", "output_dir", "seed", "base")
_MOST_COMBINATIONS = 256  # of architectures that are tried out beforehand; more are sampled


def suggest(trial: Any, space: Mapping[str, SearchDimension]) -> dict[str, Any]:
    """A value for each key, drawn by optuna.

    Args:
        trial: an `optuna.Trial`.
    """
    return {key: _suggest_one(trial, key, dimension) for key, dimension in space.items()}


def _suggest_one(trial: Any, key: str, dimension: SearchDimension) -> Any:
    if dimension.choices is not None:
        # Optuna stores plain values alone, and a patch size is a list.
        return json.loads(trial.suggest_categorical(key, [json.dumps(choice) for choice in dimension.choices]))
    options: dict[str, Any] = {"log": dimension.log}
    if dimension.step is not None:
        options["step"] = dimension.step
    draw = trial.suggest_int if dimension.is_whole else trial.suggest_float
    return draw(key, dimension.low, dimension.high, **options)


def drawn_values(params: Mapping[str, Any], space: Mapping[str, SearchDimension]) -> dict[str, Any]:
    """A trial's `params` as `suggest` gave them."""
    return {
        key: json.loads(value) if key in space and space[key].choices is not None else value
        for key, value in params.items()
    }


def with_values(recipe: Recipe, values: Mapping[str, Any]) -> Recipe:
    """The recipe with values laid over it, by dotted key, and without its `search` section.

    Raises:
        RecipeError: it does not take one of them.
    """
    plain = recipe.to_dict()
    plain.pop("search", None)
    for key, value in values.items():
        *above, name = key.split(".")
        place = plain
        for part in above:
            if not isinstance(place.get(part), dict):
                place[part] = {}
            place = place[part]
        place[name] = value
    return recipe_of_values(plain, path=recipe.path)


def trial_recipe(recipe: Recipe, values: Mapping[str, Any]) -> Recipe:
    """The recipe that a trial trains: `values`, the search's steps, and nothing written but the log."""
    return with_values(recipe, {**values, **_of_each_trial(recipe)})


def steps_of(recipe: Recipe) -> int:
    """Steps of a trial.

    Raises:
        ValueError: neither `search.steps` nor `training.max_steps` says.
    """
    steps = recipe.search.steps or recipe.training.get("max_steps", -1)
    if steps <= 0:
        raise ValueError("a trial's length is missing: set search.steps (or training.max_steps).")
    return steps


def _of_each_trial(recipe: Recipe) -> dict[str, Any]:
    steps = steps_of(recipe)
    return {
        "training.max_steps": steps,
        "training.eval_strategy": "steps",
        "training.eval_steps": -(-steps // recipe.search.evaluations),
        "training.logging_steps": max(1, steps // 20),
        "training.save_strategy": "no",
        "training.load_best_model_at_end": False,
        "training.disable_tqdm": True,
        "training.report_to": "none",
    }


def check_space(recipe: Recipe, *, check: Callable[[Recipe], None]) -> list[str]:
    """Refuse what cannot be searched; remarks on what will fail in some trials.

    Args:
        check: raises a `ValueError` for a recipe whose model cannot be; of the recipe alone, in no time.

    Raises:
        ValueError: no space, a key that is not the recipe's, a value that it does not take, or a choice that no model
            takes in any combination.
    """
    section: SearchSection | None = recipe.search
    if section is None or not section.space:
        raise ValueError(
            f"{recipe.path} has no search.space: add `search:` with, for example, "
            "`space: {training.learning_rate: {low: 1e-4, high: 1e-2, log: true}}`."
        )
    reserved = _of_each_trial(recipe)
    for key, dimension in section.space.items():
        if key.split(".")[0] in (*_FIXED_SECTIONS, *_FIXED_KEYS) or key in reserved:
            raise ValueError(
                f"search.space: {key} is the same in all trials; search keys of model, data, processor or training"
            )
        if "." not in key:
            raise ValueError(f"search.space: {key} is no key of a section; expected section.key, as model.hidden_size")
        for value in dimension.probes:
            try:
                with_values(recipe, {key: value})
            except RecipeError as error:
                raise RecipeError(f"search.space: {str(error).removeprefix(f'{recipe.path}: ')}") from error
    return _refused_architectures(recipe, section.space, check)


def _works(recipe: Recipe, key: str, value: Any, check: Callable[[Recipe], None]) -> bool:
    try:
        check(with_values(recipe, {key: value}))
    except ValueError:
        return False
    return True


def _refused_architectures(
    recipe: Recipe, space: Mapping[str, SearchDimension], check: Callable[[Recipe], None]
) -> list[str]:
    keys = [key for key in space if not key.startswith("training.")]
    if not keys:
        return []
    combinations = list(itertools.islice(itertools.product(*(space[key].probes for key in keys)), 100_000))
    if len(combinations) > _MOST_COMBINATIONS:
        combinations = random.Random(0).sample(combinations, _MOST_COMBINATIONS)
    reasons: dict[int, str] = {}
    for index, combination in enumerate(combinations):
        try:
            check(with_values(recipe, dict(zip(keys, combination, strict=True))))
        except ValueError as error:
            reasons[index] = " ".join(str(error).split())
    hopeless = []
    for position, key in enumerate(keys):
        for value in space[key].probes:
            having = [i for i, combination in enumerate(combinations) if combination[position] == value]
            if having and all(i in reasons for i in having):
                hopeless.append((key, value, reasons[having[0]]))
    # Where nothing works at all, the first is the one that does not work in the recipe as it stands either.
    for key, value, reason in sorted(hopeless, key=lambda found: _works(recipe, found[0], found[1], check)):
        raise ValueError(f"search.space: {key}={json.dumps(value)} is refused always: {reason}")
    if not reasons:
        return []
    first = min(reasons)
    said = ", ".join(f"{key}={json.dumps(value)}" for key, value in zip(keys, combinations[first], strict=True))
    return [
        f"{len(reasons)} of the {len(combinations)} combinations looked at cannot be ({said}: {reasons[first]}); such "
        "trials fail and are counted"
    ]
