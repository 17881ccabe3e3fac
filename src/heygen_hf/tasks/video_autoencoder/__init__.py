"""From clips to an autoencoder that gives them back from few values; `story.py` reads from top to bottom."""

from heygen_hf.tasks.run_folder import TrainedRun
from heygen_hf.tasks.video_autoencoder.bare import bare_training, check_recipe
from heygen_hf.tasks.video_autoencoder.plan import plan
from heygen_hf.tasks.video_autoencoder.recipe import SECTIONS
from heygen_hf.tasks.video_autoencoder.remeasuring import evaluate
from heygen_hf.tasks.video_autoencoder.story import run

__all__ = ["SECTIONS", "TrainedRun", "bare_training", "check_recipe", "evaluate", "plan", "run"]
