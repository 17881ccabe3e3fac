"""The trainer's label smoothing, which is for one class a place, and these heads compute losses of their own."""

from heygen_hf.tasks.recipe import Recipe


def refuse_label_smoothing(recipe: Recipe, *, use_instead: str | None = None) -> None:
    """Refuse `training.label_smoothing_factor`.

    Args:
        use_instead: a field of the model that does it.

    Raises:
        ValueError: the recipe sets it.
    """
    factor = recipe.training.get("label_smoothing_factor")
    if not factor:
        return
    remedy = f"use {use_instead}" if use_instead else "leave it out"
    raise ValueError(
        f"training.label_smoothing_factor={factor} does not go with {recipe.task}, whose model computes its own loss: "
        f"{remedy}"
    )


__all__ = ["refuse_label_smoothing"]
