"""After something was measured: the run's card has it too."""

from pathlib import Path

from heygen_hf.tasks.cards.rewriting import rewrite_card
from heygen_hf.tasks.model_training.run_card import remembered_for_card
from heygen_hf.tasks.recipe import load_recipe
from heygen_hf.tasks.run_folder import RunFolder

_OF_FILES_ALONE = ("text_to_video", "audio_to_video", "distillation")


def refresh_card(run: str | Path, written: str | Path) -> None:
    """Write a run's card again, where a file of figures was written into the run's folder and there is a card.

    What was measured stays measured where the card cannot be written; that is said, with the command that writes it.
    """
    folder = RunFolder(Path(run))
    if not folder.card.is_file() or not folder.recipe.is_file() or not folder.facts.is_file():
        return
    if not Path(written).resolve().is_relative_to(folder.path.resolve()):
        return
    try:
        if load_recipe(folder.recipe).task in _OF_FILES_ALONE or remembered_for_card(folder) is not None:
            print(f"the card has them too: {rewrite_card(run)}")
            return
        reason = ""
    except (ValueError, OSError) as error:
        reason = f" ({' '.join(str(error).split())})"
    print(f"the card does not have them yet{reason}: heygen-hf card {run} writes it again")
