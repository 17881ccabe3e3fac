"""Text to video, from captioned clips to a folder that loads anywhere; `story.py` reads from top to bottom."""

from heygen_hf.tasks.generation import generate
from heygen_hf.tasks.run_folder import TrainedRun
from heygen_hf.tasks.text_to_video.bare import bare_training, check_recipe
from heygen_hf.tasks.text_to_video.cache import cache
from heygen_hf.tasks.text_to_video.evaluation import evaluate
from heygen_hf.tasks.text_to_video.model import build_model
from heygen_hf.tasks.text_to_video.plan import plan
from heygen_hf.tasks.text_to_video.recipe import SECTIONS
from heygen_hf.tasks.text_to_video.story import run

__all__ = [
    "SECTIONS",
    "TrainedRun",
    "bare_training",
    "build_model",
    "cache",
    "check_recipe",
    "evaluate",
    "generate",
    "plan",
    "run",
]
