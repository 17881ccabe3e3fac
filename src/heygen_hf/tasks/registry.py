"""The tasks by name. A task's module is imported when a recipe asks for it, never to list the names."""

import importlib
from types import ModuleType

# name in a recipe -> module that has SECTIONS (section name -> type)
# and run(recipe, *, resume, overwrite, command), and may have plan(recipe, *, measure)
TASKS: dict[str, str] = {
    "text_to_video": "heygen_hf.tasks.text_to_video",
}


def task_module(name: str) -> ModuleType:
    """The module of the task `name`, a key of `TASKS`."""
    return importlib.import_module(TASKS[name])
