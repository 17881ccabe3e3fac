"""A search as a picture: how it went on, what mattered, and each key against the figure."""

import math
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from heygen_hf._optional import is_available, require
from heygen_hf.tasks.recipe import Recipe
from heygen_hf.tasks.run_folder import write_bytes

_FEWEST_FOR_IMPORTANCE = 4


def draw_search(path: Path, study: Any, rows: Sequence[Mapping[str, Any]], recipe: Recipe) -> None:
    """Write `plots.png`; without matplotlib say what to install, since the search itself is done."""
    if not is_available("matplotlib"):
        print("plots.png is left out: matplotlib is needed for drawing curves: pip install 'heygen_hf[plots]'")
        return
    require("matplotlib").use("Agg")
    import io

    from matplotlib.figure import Figure

    keys = list(recipe.search.space)
    importances = parameter_importances(study)
    columns = 3
    panels = 1 + bool(importances) + len(keys)
    lines = math.ceil(panels / columns)
    figure = Figure(figsize=(4.2 * columns, 3.2 * lines), layout="constrained")
    axes = iter(figure.subplots(lines, columns, squeeze=False).flatten())
    _draw_history(next(axes), rows, recipe)
    if importances:
        axis = next(axes)
        axis.barh([key.rpartition(".")[2] for key in importances], list(importances.values()), color="tab:gray")
        axis.invert_yaxis()
        axis.set_title("share of the variance")
    for key in keys:
        _draw_slice(next(axes), key, rows, recipe)
    for unused in axes:
        unused.set_visible(False)
    picture = io.BytesIO()
    figure.savefig(picture, format="png", dpi=110)
    write_bytes(path, picture.getvalue())
    print(f"the plot: {path}")


def parameter_importances(study: Any) -> dict[str, float]:
    """Key → share of the figure's variance over the completed trials; empty where there are too few to say."""
    optuna = require("optuna")
    completed = study.get_trials(deepcopy=False, states=(optuna.trial.TrialState.COMPLETE,))
    if len(completed) < _FEWEST_FOR_IMPORTANCE or len({trial.value for trial in completed}) < 2:
        return {}
    evaluator = optuna.importance.FanovaImportanceEvaluator(seed=0)
    try:
        return dict(optuna.importance.get_param_importances(study, evaluator=evaluator))
    except (ValueError, RuntimeError):  # a key that had one value in all of them
        return {}


def _draw_history(axis: Any, rows: Sequence[Mapping[str, Any]], recipe: Recipe) -> None:
    completed = [(row["trial"], row["value"]) for row in rows if row["value"] is not None]
    pruned = [(row["trial"], row["last_value"]) for row in rows if row["state"] == "pruned" and row["last_value"]]
    better = max if recipe.search.direction == "maximize" else min
    axis.plot(*zip(*completed, strict=True), "o", color="tab:blue", label="completed")
    if pruned:
        axis.plot(*zip(*pruned, strict=True), "x", color="tab:gray", label="pruned")
    so_far = [better(value for _, value in completed[: i + 1]) for i in range(len(completed))]
    axis.step([number for number, _ in completed], so_far, where="post", color="tab:orange", label="best so far")
    axis.set(title=recipe.search.metric, xlabel="trial")
    axis.legend(fontsize=8)


def _draw_slice(axis: Any, key: str, rows: Sequence[Mapping[str, Any]], recipe: Recipe) -> None:
    dimension = recipe.search.space[key]
    shown = [row for row in rows if row["value"] is not None and key in row["values"]]
    values = [row["values"][key] for row in shown]
    if dimension.choices is not None:
        places = [dimension.choices.index(value) for value in values]
        axis.set_xticks(range(len(dimension.choices)), [str(choice) for choice in dimension.choices])
    else:
        places = values
        if dimension.log:
            axis.set_xscale("log")
    axis.scatter(places, [row["value"] for row in shown], c=[row["trial"] for row in shown], cmap="viridis")
    axis.set(title=key)
