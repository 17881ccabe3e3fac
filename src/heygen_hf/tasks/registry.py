"""The tasks by name. A task's module is imported when a recipe asks for it, never to list the names."""

import importlib
from types import ModuleType

# name in a recipe -> module that has SECTIONS (section name -> type)
# run(recipe, *, resume, overwrite, command) and evaluate(run_folder, *, output), and may have plan(recipe, *, measure),
# cache(recipe, *, verify, delete_superseded) and bare_training(recipe), see `bare_training.py`, and
# check_recipe(recipe), which refuses at once what cannot be
TASKS: dict[str, str] = {
    "text_to_video": "heygen_hf.tasks.text_to_video",
    "audio_to_video": "heygen_hf.tasks.audio_to_video",
    "finetuning": "heygen_hf.tasks.finetuning",
    "distillation": "heygen_hf.tasks.distillation",
    "video_autoencoder": "heygen_hf.tasks.video_autoencoder",
    "video_classification": "heygen_hf.tasks.video_classification",
    "video_text_retrieval": "heygen_hf.tasks.multimodal.retrieval",
    "video_captioning": "heygen_hf.tasks.multimodal.captioning",
    "video_question_answering": "heygen_hf.tasks.multimodal.question_answering",
    "multimodal_classification": "heygen_hf.tasks.multimodal.classification",
    "language_modeling": "heygen_hf.tasks.text.language_modeling",
    "text_classification": "heygen_hf.tasks.text.classification",
    "token_classification": "heygen_hf.tasks.text.token_classification",
}


def task_module(name: str) -> ModuleType:
    """The module of the task `name`, a key of `TASKS`."""
    return importlib.import_module(TASKS[name])
