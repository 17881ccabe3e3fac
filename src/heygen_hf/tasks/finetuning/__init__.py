"""Fine-tuning of published video generators (Wan, LTX-Video, CogVideoX, HunyuanVideo, …), whole or with an adapter."""

from heygen_hf.tasks.finetuning.loading import is_finetuned, load_finetuned
from heygen_hf.tasks.finetuning.recipe import SECTIONS
from heygen_hf.tasks.finetuning.remeasuring import evaluate
from heygen_hf.tasks.finetuning.task import Finetuning, bare_training, cache, check_recipe, plan, run

__all__ = [
    "SECTIONS",
    "Finetuning",
    "bare_training",
    "cache",
    "check_recipe",
    "evaluate",
    "is_finetuned",
    "load_finetuned",
    "plan",
    "run",
]
