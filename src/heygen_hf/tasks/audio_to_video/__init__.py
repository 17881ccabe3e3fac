"""Audio to video: a first frame and a recording to a video that follows it; the story is that of text to video."""

from heygen_hf.tasks.audio_to_video.recipe import SECTIONS
from heygen_hf.tasks.audio_to_video.remeasuring import evaluate
from heygen_hf.tasks.audio_to_video.task import AudioToVideo, bare_training, check_recipe, plan, run
from heygen_hf.tasks.text_to_video.cache import cache

__all__ = ["SECTIONS", "AudioToVideo", "bare_training", "cache", "check_recipe", "evaluate", "plan", "run"]
