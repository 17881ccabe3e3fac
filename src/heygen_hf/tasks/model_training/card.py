"""The model card of a run whose model is a transformers model."""

from heygen_hf.hub import write_card
from heygen_hf.tasks.model_training.parts import TaskParts
from heygen_hf.tasks.model_training.run_card import remember_for_card, remembered_for_card, run_card_facts
from heygen_hf.tasks.recipe import Recipe
from heygen_hf.tasks.run_folder import RunFolder, read_json


def write_model_card(folder: RunFolder, recipe: Recipe, parts: TaskParts, *, pipeline_tag: str) -> None:
    """Write `README.md` from `run.json` and `metrics.json`; what is missing is said to be unknown."""
    usage = parts.usage
    if _is_adapter(recipe):
        from heygen_hf.tasks.adapters import usage_of_adapters

        usage = usage_of_adapters(usage)
    remember_for_card(
        folder,
        task=parts.pipeline_tag or pipeline_tag,
        model_class=parts.model_class.__name__,
        data_note=parts.data_note,
        usage=usage,
    )
    rewrite_model_card(folder, recipe)


def rewrite_model_card(folder: RunFolder, recipe: Recipe) -> bool:
    """The same again from the run's folder alone; whether it holds enough for that."""
    own = remembered_for_card(folder)
    if own is None:
        return False
    notes = [note for note in (recipe.hub.data_description, own.pop("data_note", None)) if note]
    adapted = {}
    if _is_adapter(recipe):
        base = read_json(folder.path / "adapter_config.json").get("base_model_name_or_path")
        adapted = {"is_adapter": True, "base_model": base}
    write_card(folder.path, run_card_facts(folder, recipe, data_note=" ".join(notes) or None, **adapted, **own))
    return True


def _is_adapter(recipe: Recipe) -> bool:
    return recipe.peft is not None and not recipe.peft.merge
