"""Which class a clip shows: from labelled clips to a classifier that `AutoModelForVideoClassification` loads."""

from heygen_hf.tasks.video_classification.recipe import SECTIONS
from heygen_hf.tasks.video_classification.task import TASK, bare_training, build, evaluate, plan, run

__all__ = ["SECTIONS", "TASK", "bare_training", "build", "evaluate", "plan", "run"]
