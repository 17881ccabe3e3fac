"""What tasks that train one model share; `story.py` reads from top to bottom."""

from heygen_hf.tasks.hub_section import HubSection
from heygen_hf.tasks.model_training.figures import share_figure
from heygen_hf.tasks.model_training.parts import TaskParts
from heygen_hf.tasks.model_training.task import ModelTask

__all__ = ["HubSection", "ModelTask", "TaskParts", "share_figure"]
