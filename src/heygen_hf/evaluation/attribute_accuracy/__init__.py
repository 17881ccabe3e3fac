"""Attribute accuracy: do generated videos show what their captions asked for?"""

from heygen_hf.evaluation.attribute_accuracy.attribute_accuracy import AttributeAccuracy, attribute_accuracy
from heygen_hf.evaluation.attribute_accuracy.judge_training import train_attribute_judges
from heygen_hf.evaluation.attribute_accuracy.judges import AttributeJudges, JudgeTraining

__all__ = [
    "AttributeAccuracy",
    "AttributeJudges",
    "JudgeTraining",
    "attribute_accuracy",
    "train_attribute_judges",
]
