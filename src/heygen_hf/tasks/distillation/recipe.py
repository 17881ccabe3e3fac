"""The sections of a distillation's recipe: those of text to video, and who teaches what."""

import dataclasses
from dataclasses import dataclass
from typing import Any

from heygen_hf.tasks.recipe import Recipe
from heygen_hf.tasks.recipe_defaults import declared_defaults
from heygen_hf.tasks.text_to_video.recipe import SECTIONS as TEXT_TO_VIDEO
from heygen_hf.tasks.text_to_video.recipe import with_defaults as with_text_to_video_defaults
from heygen_hf.training import DistillationTrainingArguments


@dataclass(kw_only=True)
class DistillationSection:
    """Who teaches, and in how many steps the student samples.

    Args:
        teacher: a finished run's folder, of text to video or itself distilled.
        to_steps: of the student.
        teacher_steps: of the teacher, a multiple of `to_steps`; by default those saved with it, rounded up to one. A
            teacher that was distilled has its own.
        teacher_guidance_scale: by default that saved with it.
        compare_steps: steps of the model that the student's figures are put beside, under the same seeds; 0 for no
            comparison.
        compare_with: that model's run; by default the teacher, or the one that it was distilled from.
    """

    teacher: str
    to_steps: int = 4
    teacher_steps: int | None = None
    teacher_guidance_scale: float | dict[str, float] | None = None
    compare_steps: int = 50
    compare_with: str | None = None

    def __post_init__(self) -> None:
        if self.to_steps < 1:
            raise ValueError(f"to_steps must be at least 1, got {self.to_steps}")
        if self.compare_steps < 0:
            raise ValueError(f"compare_steps must be 0 (no comparison) or more, got {self.compare_steps}")


# Said in the recipe's own section.
_SAID_ELSEWHERE = ("to_steps", "teacher_steps", "teacher_guidance_scale")


def check_training(recipe: Recipe) -> None:
    """Refuse keys of `training` that belong to `distillation`.

    Raises:
        ValueError: names the key.
    """
    for name in _SAID_ELSEWHERE:
        if name in recipe.training:
            raise ValueError(f"training.{name} does not go here; set distillation.{name}")


def with_defaults(recipe: Recipe) -> Recipe:
    """The recipe with the defaults of its `model` and `training` sections written out."""
    model = with_text_to_video_defaults(recipe).model
    declared = declared_defaults(DistillationTrainingArguments, left_open={*_SAID_ELSEWHERE, "eval_timesteps"})
    return dataclasses.replace(recipe, model=model, training={**declared, **recipe.training})


SECTIONS: dict[str, Any] = {
    **TEXT_TO_VIDEO,
    "training": DistillationTrainingArguments,
    "distillation": DistillationSection,
}
