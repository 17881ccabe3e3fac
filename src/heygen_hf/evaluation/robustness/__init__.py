"""The same question put otherwise, and the same clip or sound seen or heard worse: inputs that should change little."""

from heygen_hf.evaluation.robustness.clip_corruptions import CLIP_CORRUPTIONS, SEVERITIES, corrupt_clip
from heygen_hf.evaluation.robustness.paired_falls import LEAST_CERTAIN, Fall, paired_fall
from heygen_hf.evaluation.robustness.paraphrase_files import read_paraphrases
from heygen_hf.evaluation.robustness.paraphrases import PARAPHRASES, paraphrase
from heygen_hf.evaluation.robustness.sound_corruptions import SOUND_CORRUPTIONS, corrupt_sound

__all__ = [
    "CLIP_CORRUPTIONS",
    "LEAST_CERTAIN",
    "PARAPHRASES",
    "SEVERITIES",
    "SOUND_CORRUPTIONS",
    "Fall",
    "corrupt_clip",
    "corrupt_sound",
    "paired_fall",
    "paraphrase",
    "read_paraphrases",
]
