"""Whether a run is done."""

from heygen_hf.tasks.recipe import Recipe
from heygen_hf.tasks.run_folder import RunFolder, read_json
from heygen_hf.tasks.text_to_video.recipe import evaluates


def is_finished(folder: RunFolder, recipe: Recipe, *, has_figures: bool | None = None) -> bool:
    """Whether the run has its last step, its export, its figures and its card.

    Args:
        has_figures: whether it has any; by default those of text to video.
    """
    steps = read_json(folder.facts).get("steps", -1)
    has_figures = evaluates(recipe) if has_figures is None else has_figures
    exported = folder.makes_videos and (folder.metrics.is_file() or not has_figures)
    return exported and folder.card.is_file() and steps >= recipe.training.get("max_steps", -1) > 0
