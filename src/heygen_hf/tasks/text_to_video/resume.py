"""Whether a run is done."""

from heygen_hf.tasks.recipe import Recipe
from heygen_hf.tasks.run_folder import RunFolder, read_json
from heygen_hf.tasks.text_to_video.recipe import evaluates


def is_finished(folder: RunFolder, recipe: Recipe) -> bool:
    """Whether the run has its last step, its export and, where the recipe evaluates, its figures."""
    steps = read_json(folder.facts).get("steps", -1)
    exported = folder.model_index.is_file() and (folder.metrics.is_file() or not evaluates(recipe))
    return exported and steps >= recipe.training.get("max_steps", -1) > 0
