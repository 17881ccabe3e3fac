"""A finished run measured anew, from what its folder holds."""

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch

from heygen_hf.tasks.model_training.card import write_model_card
from heygen_hf.tasks.model_training.figures import write_figures
from heygen_hf.tasks.recipe import Recipe, load_recipe
from heygen_hf.tasks.run_folder import RunFolder, read_json

if TYPE_CHECKING:
    from heygen_hf.tasks.model_training.task import ModelTask


def evaluate_model_run(
    task: "ModelTask", run: str | Path, *, output: str | Path | None = None, overrides: Sequence[str] = ()
) -> dict[str, Any]:
    """Load the exported model, measure it, print the table, write the JSON.

    Args:
        output: where to write the figures; by default the run's `metrics.json`, and its card is written anew; with
            overrides `RUN/evaluation/overridden.json`, and the card stays as it is.
        overrides: `section.key=value` laid over the run's recipe, such as `data.train=other/place`.

    Raises:
        ValueError: no finished run there, or data that are not found.
    """
    folder = RunFolder(Path(run))
    config = folder.require_finished_model()
    recipe = load_recipe(folder.recipe, overrides)
    try:
        parts = task.build(recipe, exported=folder.path, is_main=True)
    except (ValueError, OSError) as error:
        missing = _relative_and_missing(recipe.data)
        if missing is None:
            raise
        key, place = missing
        raise ValueError(
            f"{str(error).rstrip('.')}. The recipe of {run} says {key}={place}, relative to the folder that it was "
            f"trained in: run it from there, or add {key}=PATH"
        ) from error
    if config.name == "adapter_config.json":
        from heygen_hf.tasks.adapters import load_adapters

        model = load_adapters(parts.model_class, folder.path)
    else:
        model = parts.model_class.from_pretrained(str(folder.path))
    figures = parts.measure(on_training_device(model, recipe).eval())
    own = output is None and not overrides
    if output is None:
        output = folder.metrics if own else folder.path / "evaluation" / "overridden.json"
    Path(output).parent.mkdir(parents=True, exist_ok=True)
    metrics = write_figures(Path(output), figures, validation_loss=read_json(folder.facts).get("validation_loss"))
    if own:
        write_model_card(folder, recipe, parts, pipeline_tag=task.pipeline_tag)
    else:
        print(f"the figures are in {output}; the run's card stays as it is")
    return metrics


def on_training_device(model: Any, recipe: Recipe) -> Any:
    """The model where the recipe would train it; quantized weights stay where they were loaded."""
    if getattr(model, "is_quantized", False) or recipe.training.get("use_cpu"):
        return model
    return model.to(torch.accelerator.current_accelerator()) if torch.accelerator.is_available() else model


def _relative_and_missing(data: Any) -> tuple[str, str] | None:
    """The first key of the section whose relative path does not lead anywhere from here, and the path."""
    named = {f"data.{name}": getattr(data, name, None) for name in ("train", "validation", "test")}
    named["data.recordings.folder"] = getattr(getattr(data, "recordings", None), "folder", None)
    for key, places in named.items():
        for place in [places] if isinstance(places, str) else places or ():
            if not Path(place).is_absolute() and not Path(place).exists():
                return key, place
    return None
