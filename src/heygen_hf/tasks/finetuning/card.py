"""The model card of a fine-tuning."""

from heygen_hf.tasks.finetuning.base_pipeline import BasePipeline
from heygen_hf.tasks.finetuning.recipe import with_defaults
from heygen_hf.tasks.recipe import Recipe
from heygen_hf.tasks.run_folder import RunFolder
from heygen_hf.tasks.text_to_video.card import write_run_card


def write_finetuning_card(folder: RunFolder, recipe: Recipe, *, base: BasePipeline) -> None:  # noqa: ARG001
    """Write `README.md`."""
    write_run_card(folder, recipe, with_defaults=with_defaults)
