"""Classification of fused samples, by one column of labels or several at once.

Shape legend: batch B, columns of labels, classes of all columns together C.
"""

from dataclasses import dataclass

import torch
from torch import nn
from torch.nn import functional as F
from transformers.processing_utils import Unpack
from transformers.utils import ModelOutput, TransformersKwargs
from transformers.utils.generic import can_return_tuple

from heygen_hf.losses.focal import FocalLoss
from heygen_hf.models.multimodal_fusion.configuration_multimodal_fusion import MultimodalFusionConfig
from heygen_hf.models.multimodal_fusion.modeling_multimodal_fusion import (
    MultimodalFusionModel,
    MultimodalFusionPreTrainedModel,
)
from heygen_hf.models.text_transformer.checks_text_transformer import IGNORED, check_labels, check_shape


@dataclass
class MultimodalClassifierOutput(ModelOutput):
    """Output of a classifier.

    Attributes:
        loss: scalar, with labels: the mean over label columns.
        logits: `(B, C)`, the columns' classes side by side; `split_logits` takes them apart.
        modality_weights: see [`MultimodalFusionOutput`].
        hidden_states, attentions, cross_attentions: the fusion network's, when asked for.
    """

    loss: torch.FloatTensor | None = None
    logits: torch.FloatTensor | None = None
    modality_weights: torch.FloatTensor | None = None
    hidden_states: tuple[torch.FloatTensor, ...] | None = None
    attentions: tuple[torch.FloatTensor, ...] | None = None
    cross_attentions: tuple[torch.FloatTensor, ...] | None = None


class MultimodalFusionForClassification(MultimodalFusionPreTrainedModel):
    """A linear classifier for each column of labels (`config.label_columns`), or one of `num_labels` classes.

    The argument is called `labels`, as everywhere in transformers, so that a plain `Trainer` finds it and reports
    `eval_loss`; a batch with the collator's `class_ids` works as well, with `TrainingArguments(label_names=
    ["class_ids"])` for its evaluation.
    """

    accepts_loss_kwargs = False  # a mean over samples: Trainer must divide it by the accumulation steps itself

    def __init__(self, config: MultimodalFusionConfig) -> None:
        super().__init__(config)
        self.num_labels = sum(config.column_sizes)
        self.fusion = MultimodalFusionModel(config)
        self.dropout = nn.Dropout(config.classifier_dropout)
        self.classifier = nn.Linear(config.hidden_size, self.num_labels)
        self.post_init()

    @can_return_tuple
    def forward(
        self,
        input_ids: torch.LongTensor | None = None,
        attention_mask: torch.Tensor | None = None,
        pixel_values: torch.FloatTensor | None = None,
        pixel_mask: torch.Tensor | None = None,
        audio_values: torch.FloatTensor | None = None,
        input_features: torch.FloatTensor | None = None,
        audio_attention_mask: torch.Tensor | None = None,
        labels: torch.LongTensor | None = None,
        class_ids: torch.LongTensor | None = None,
        **kwargs: Unpack[TransformersKwargs],
    ) -> MultimodalClassifierOutput:
        r"""
        Args:
            labels (`torch.LongTensor` of shape `(batch,)` or `(batch, columns)`, *optional*):
                Class numbers within each column, -100 for one that the loss skips.
            class_ids (`torch.LongTensor`, *optional*):
                The same under the name that [`VideoTextCollator`] gives them.

            The other arguments are those of [`MultimodalFusionModel`].

        Raises:
            ValueError: labels out of range or of another shape, or none but -100.
        """
        if labels is not None and class_ids is not None:
            raise ValueError("labels and class_ids are two names of one thing: pass one of them.")
        outputs = self.fusion(
            input_ids=input_ids,
            attention_mask=attention_mask,
            pixel_values=pixel_values,
            pixel_mask=pixel_mask,
            audio_values=audio_values,
            input_features=input_features,
            audio_attention_mask=audio_attention_mask,
            **kwargs,
        )
        logits = self.classifier(self.dropout(outputs.pooler_output))
        labels = class_ids if labels is None else labels
        loss = None if labels is None else classification_loss(logits, labels, self.config)
        return MultimodalClassifierOutput(
            loss=loss,
            logits=logits,
            modality_weights=outputs.modality_weights,
            hidden_states=outputs.hidden_states,
            attentions=outputs.attentions,
            cross_attentions=outputs.cross_attentions,
        )

    def split_logits(self, logits: torch.Tensor) -> dict[str, torch.Tensor]:
        """`(B, C)` → `(B, classes)` for each column, by the column's name (`"label"` where it has none)."""
        names = list(self.config.label_columns or {"label": None})
        return dict(zip(names, logits.split(self.config.column_sizes, dim=-1), strict=True))

    def class_names(self, logits: torch.Tensor) -> list[dict[str, str]]:
        """The likeliest class of each column, by name, for each sample."""
        columns = self.config.label_columns or {"label": [self.config.id2label[i] for i in range(self.num_labels)]}
        chosen = {name: each.argmax(dim=-1).tolist() for name, each in self.split_logits(logits).items()}
        return [{name: columns[name][chosen[name][i]] for name in columns} for i in range(logits.shape[0])]


def classification_loss(logits: torch.Tensor, labels: torch.Tensor, config: MultimodalFusionConfig) -> torch.Tensor:
    """Mean over the label columns of each column's mean; a column that is -100 throughout is left out.

    Args:
        logits: `(B, C)`.
        labels: `(B,)` for one column, or `(B, columns)`.
    """
    sizes = config.column_sizes
    if labels.ndim == 1 and len(sizes) == 1:
        labels = labels[:, None]
    check_shape(labels, (logits.shape[0], len(sizes)), meaning="one label for each column of label_columns")
    counts = []
    losses = []
    for column, (size, scores) in enumerate(zip(sizes, logits.float().split(sizes, dim=-1), strict=True)):
        targets = labels[:, column].to(logits.device)
        # Where some column has targets another may have none in this batch; all of them empty is an error below.
        check_labels(targets, num_classes=size, classes="num_labels", num_items=(labels != IGNORED).sum())
        counted = targets != IGNORED
        if config.classification_loss == "focal":
            focal = FocalLoss(gamma=config.focal_gamma, reduction="none")
            # The loss refuses a column without a target; here that is not an error.
            each = focal(scores, targets.where(counted, 0)) * counted
        else:
            each = F.cross_entropy(
                scores, targets, reduction="none", ignore_index=IGNORED, label_smoothing=config.label_smoothing
            )
        counts.append(counted.any())
        losses.append(each.sum() / counted.sum().clamp(min=1))
    return torch.stack(losses).sum() / torch.stack(counts).sum().clamp(min=1)


__all__ = ["MultimodalClassifierOutput", "MultimodalFusionForClassification", "classification_loss"]
