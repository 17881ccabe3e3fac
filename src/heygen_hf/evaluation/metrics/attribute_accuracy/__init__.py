"""Attribute accuracy: of the attributes that a caption asks for, how many a judge finds in the video."""

from heygen_hf.evaluation.metrics.attribute_accuracy.attribute_accuracy import AttributeAccuracy, attribute_accuracy

__all__ = ["AttributeAccuracy", "attribute_accuracy"]
