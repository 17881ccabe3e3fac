"""Few steps: a student learns in some what a finished run samples in many; `story.py` reads from top to bottom."""

from heygen_hf.tasks.distillation.measuring import evaluate
from heygen_hf.tasks.distillation.recipe import SECTIONS
from heygen_hf.tasks.distillation.story import bare_training, distill, plan, run

__all__ = ["SECTIONS", "bare_training", "distill", "evaluate", "plan", "run"]
