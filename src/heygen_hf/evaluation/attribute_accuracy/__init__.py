"""Attribute accuracy: do generated videos show what their captions asked for?"""

from heygen_hf.evaluation.attribute_accuracy.attribute_accuracy import attribute_accuracy
from heygen_hf.evaluation.attribute_accuracy.judge_training import train_attribute_judges
from heygen_hf.evaluation.attribute_accuracy.judges import AttributeJudges, JudgeTraining

__all__ = [
    "AttributeJudges",
    "JudgeTraining",
    "attribute_accuracy",
    "train_attribute_judges",
]
