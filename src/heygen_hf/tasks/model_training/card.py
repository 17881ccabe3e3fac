"""The model card of a run whose model is a transformers model."""

from heygen_hf.hub import write_card
from heygen_hf.tasks.model_training.parts import TaskParts
from heygen_hf.tasks.model_training.run_card import run_card_facts
from heygen_hf.tasks.recipe import Recipe
from heygen_hf.tasks.run_folder import RunFolder


def write_model_card(folder: RunFolder, recipe: Recipe, parts: TaskParts, *, pipeline_tag: str) -> None:
    """Write `README.md` from `run.json` and `metrics.json`; what is missing is said to be unknown."""
    usage = parts.usage
    if recipe.peft is not None and not recipe.peft.merge:
        from heygen_hf.tasks.adapters import usage_of_adapters

        usage = usage_of_adapters(usage)
    notes = [note for note in (recipe.hub.data_description, parts.data_note) if note]
    facts = run_card_facts(
        folder,
        recipe,
        task=parts.pipeline_tag or pipeline_tag,
        model_class=parts.model_class.__name__,
        data_note=" ".join(notes) or None,
        usage=usage,
    )
    write_card(folder.path, facts)
