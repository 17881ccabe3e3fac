"""A finished run measured anew, from what its folder holds."""

from pathlib import Path
from typing import TYPE_CHECKING, Any

from heygen_hf.tasks.model_training.card import write_model_card
from heygen_hf.tasks.model_training.figures import figures_to_json, print_figures
from heygen_hf.tasks.recipe import load_recipe
from heygen_hf.tasks.run_folder import RunFolder, read_json, write_json

if TYPE_CHECKING:
    from heygen_hf.tasks.model_training.task import ModelTask


def evaluate_model_run(task: "ModelTask", run: str | Path, *, output: str | Path | None = None) -> dict[str, Any]:
    """Load the exported model, measure it, print the table, write the JSON.

    Args:
        output: where to write the figures; by default the run's `metrics.json`, and its card is written anew.

    Raises:
        ValueError: no finished run there.
    """
    folder = RunFolder(Path(run))
    if folder.model_config is None or not folder.recipe.is_file():
        raise ValueError(
            f"{run} holds no finished run (no exported model, or no recipe.yaml): train one with heygen-hf train "
            "RECIPE, or finish it with --resume auto."
        )
    recipe = load_recipe(folder.recipe)
    parts = task.build(recipe, exported=folder.path, is_main=True)
    if folder.model_config.name == "adapter_config.json":
        from heygen_hf.tasks.adapters import load_adapters

        model = load_adapters(parts.model_class, folder.path)
    else:
        model = parts.model_class.from_pretrained(str(folder.path))
    figures = parts.measure(model.eval())
    metrics = {
        "figures": figures_to_json(figures),
        "validation_loss": read_json(folder.facts).get("validation_loss"),
    }
    write_json(folder.metrics if output is None else Path(output), metrics)
    print_figures(figures)
    if output is None:
        write_model_card(folder, recipe, parts, pipeline_tag=task.pipeline_tag)
    return metrics
