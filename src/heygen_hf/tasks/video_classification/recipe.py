"""The sections of a video classification recipe."""

from dataclasses import dataclass, field
from typing import Any

from huggingface_hub.dataclasses import strict

from heygen_hf.models.conv_video_encoder import ConvVideoEncoderConfig
from heygen_hf.tasks.clip_data import DataSection, ProcessorSection
from heygen_hf.tasks.model_training import HubSection
from heygen_hf.training import SupervisedTrainingArguments


@strict
class ModelSection(ConvVideoEncoderConfig):
    """The fields of `ConvVideoEncoderConfig`, or a model to start from.

    The classes are those of the training clips; `id2label` names more of them, or another order.

    Args:
        pretrained: a folder or Hub repository of any `AutoModelForVideoClassification`: one of ours, a VideoMAE, … Its
            last layer is kept where it knows all classes of the data, and starts anew otherwise.
        attn_implementation: of a pretrained transformer; None leaves transformers' choice.
    """

    model_type = "heygen_video_classification_recipe"

    pretrained: str | None = None
    attn_implementation: str | None = None


@dataclass(kw_only=True)
class EvaluationSection:
    """How the trained model is measured, on `data.test`.

    Args:
        batch_size: clips at once.
        group_columns: columns whose combinations tell two groups apart, those that training clips show and those
            that none does; each gets figures of its own. By default the label columns.
    """

    batch_size: int = 64
    group_columns: list[str] = field(default_factory=list)

    def __post_init__(self) -> None:
        if self.batch_size < 1:
            raise ValueError(f"batch_size must be at least 1, got {self.batch_size}")


SECTIONS: dict[str, Any] = {
    "model": ModelSection,
    "data": DataSection,
    "processor": ProcessorSection,
    "training": SupervisedTrainingArguments,
    "evaluation": EvaluationSection,
    "hub": HubSection,
}
