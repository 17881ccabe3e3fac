"""Embeddings of text, video and audio that agree where they belong together, and classification by label texts.

Shape legend: batch B, labels C, projection P.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import torch
from torch import distributed, nn
from transformers import initialization as init
from transformers.processing_utils import Unpack
from transformers.utils import ModelOutput, TransformersKwargs
from transformers.utils.generic import can_return_tuple

from heygen_hf.losses.contrastive import FIRST_BIAS, ContrastiveLoss
from heygen_hf.losses.multimodal import MultimodalLoss
from heygen_hf.models.multimodal_fusion.configuration_multimodal_fusion import MultimodalFusionConfig
from heygen_hf.models.multimodal_fusion.modeling_multimodal_fusion import (
    MultimodalFusionModel,
    MultimodalFusionPreTrainedModel,
)

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerBase


@dataclass
class MultimodalContrastiveOutput(ModelOutput):
    """Output of a step of contrastive learning.

    Attributes:
        loss: scalar, where two modalities were passed: the mean over their pairs.
        text_embeds, video_embeds, audio_embeds: `(B, P)` of unit length, for what was passed; zeros where missing.
        logit_scale: the inverse temperature that similarities are multiplied with.
    """

    loss: torch.FloatTensor | None = None
    text_embeds: torch.FloatTensor | None = None
    video_embeds: torch.FloatTensor | None = None
    audio_embeds: torch.FloatTensor | None = None
    logit_scale: torch.FloatTensor | None = None


class MultimodalFusionForContrastiveLearning(MultimodalFusionPreTrainedModel):
    """One embedding for each modality of a sample, each made by the network from that modality alone.

    All fusions work: `"late"` has a stack of blocks for each modality, `"early"` one for all of them.
    """

    _can_record_outputs = None  # the network runs once for each modality; ask `fusion` for what it records
    accepts_loss_kwargs = False  # a mean over pairs: Trainer must divide it by the accumulation steps itself

    def __init__(self, config: MultimodalFusionConfig) -> None:
        super().__init__(config)
        if len(config.modalities) < 2:
            raise ValueError(
                f"contrastive learning compares modalities, and the configuration has {len(config.modalities)} "
                f"({', '.join(config.modalities)}): give two or three encoders."
            )
        self.fusion = MultimodalFusionModel(config)
        for name in config.modalities:
            setattr(self, f"{name}_head", nn.Linear(config.hidden_size, config.projection_size, bias=False))
        scale = None if config.logit_scale_init is None else math.exp(config.logit_scale_init)
        self.criterion = MultimodalLoss(
            alignment=config.alignment_weight,
            consistency=config.consistency_weight,
            contrastive_loss=ContrastiveLoss(kind=config.contrastive_loss, scale=scale),
        )
        self.post_init()

    @torch.no_grad()
    def _init_weights(self, module: nn.Module) -> None:
        super()._init_weights(module)
        if isinstance(module, ContrastiveLoss):
            init.constant_(module.log_scale, math.log(module.initial_scale))
            if module.bias is not None:
                init.constant_(module.bias, FIRST_BIAS)

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
        group_ids: torch.LongTensor | None = None,
        return_loss: bool = True,
        **kwargs: Unpack[TransformersKwargs],
    ) -> MultimodalContrastiveOutput:
        r"""
        Args:
            group_ids (`torch.LongTensor` of shape `(batch,)`, *optional*):
                Samples with one number are each other's positives; by default those with the same text.
            return_loss (`bool`, defaults to `True`):
                Whether to compare the batch's samples. Trainer reads the default: evaluation has a loss without labels.

            The other arguments are those of [`MultimodalFusionModel`].

        Raises:
            ValueError: no sample of the batch (over all processes) has two modalities, so there is nothing to compare.
        """
        embeds: dict[str, torch.Tensor] = {}
        present: dict[str, torch.Tensor] = {}
        if input_ids is not None:
            embeds["text"], present["text"] = self._features(
                "text", input_ids=input_ids, attention_mask=attention_mask, **kwargs
            )
        if pixel_values is not None:
            embeds["video"], present["video"] = self._features(
                "video", pixel_values=pixel_values, pixel_mask=pixel_mask, **kwargs
            )
        if audio_values is not None or input_features is not None:
            embeds["audio"], present["audio"] = self._features(
                "audio",
                audio_values=audio_values,
                input_features=input_features,
                audio_attention_mask=audio_attention_mask,
                **kwargs,
            )
        if not embeds:
            raise ValueError(f"no modality was passed: give at least one of {', '.join(self.config.modalities)}.")
        loss = None
        if return_loss and len(embeds) > 1:
            if group_ids is None and self.config.group_equal_texts and input_ids is not None:
                group_ids = _text_ids(input_ids, attention_mask)
            loss = self.criterion(embeds, present=present, group_ids=group_ids).loss
        return MultimodalContrastiveOutput(
            loss=loss,
            **{f"{name}_embeds": values for name, values in embeds.items()},
            logit_scale=self.criterion.contrastive_loss.log_scale.detach().exp(),
        )

    def get_text_features(self, input_ids: torch.Tensor, attention_mask: torch.Tensor | None = None) -> torch.Tensor:
        """`(B, P)` of unit length."""
        return self._features("text", input_ids=input_ids, attention_mask=attention_mask)[0]

    def get_video_features(self, pixel_values: torch.Tensor, pixel_mask: torch.Tensor | None = None) -> torch.Tensor:
        """`(B, P)` of unit length."""
        return self._features("video", pixel_values=pixel_values, pixel_mask=pixel_mask)[0]

    def get_audio_features(
        self,
        audio_values: torch.Tensor | None = None,
        input_features: torch.Tensor | None = None,
        audio_attention_mask: torch.Tensor | None = None,
    ) -> torch.Tensor:
        """`(B, P)` of unit length."""
        inputs = {"audio_values": audio_values, "input_features": input_features}
        return self._features("audio", **inputs, audio_attention_mask=audio_attention_mask)[0]

    @torch.no_grad()
    def zero_shot(
        self,
        labels: Sequence[str],
        *,
        tokenizer: "PreTrainedTokenizerBase",
        template: str = "{}",
        pixel_values: torch.Tensor | None = None,
        audio_values: torch.Tensor | None = None,
        input_features: torch.Tensor | None = None,
        audio_attention_mask: torch.Tensor | None = None,
    ) -> torch.Tensor:
        """How likely each label is for each clip or recording, by how near its text is.

        Args:
            labels: class names, put into the `template` to read like the captions of training: `"a red {} moves"`.
                A label may also be several texts' mean: see `label_features`.

        Returns:
            `(B, C)`: with the softmax loss each row sums to 1; with the sigmoid loss each label stands for itself.
        """
        label_features = self.label_features([[template.format(label)] for label in labels], tokenizer=tokenizer)
        if pixel_values is not None:
            features = self.get_video_features(pixel_values)
        else:
            features = self.get_audio_features(audio_values, input_features, audio_attention_mask)
        return self.classify_features(features, label_features)

    @torch.no_grad()
    def label_features(
        self, texts: Sequence[Sequence[str]], *, tokenizer: "PreTrainedTokenizerBase", batch_size: int = 64
    ) -> torch.Tensor:
        """One embedding for each label, `(C, P)` of unit length: the mean of those of its texts."""
        flat = [text for group in texts for text in group]
        if not flat or not all(texts):
            raise ValueError("every label needs at least one text, and there must be a label.")
        features = []
        for start in range(0, len(flat), batch_size):
            encoded = tokenizer(flat[start : start + batch_size], padding=True, return_tensors="pt").to(self.device)
            features.append(self.get_text_features(encoded["input_ids"], encoded["attention_mask"]))
        groups = torch.cat(features).split([len(group) for group in texts])
        return nn.functional.normalize(torch.stack([group.mean(dim=0) for group in groups]), dim=-1)

    @torch.no_grad()
    def classify_features(self, features: torch.Tensor, label_features: torch.Tensor) -> torch.Tensor:
        """`(B, P)` and `(C, P)` → probabilities `(B, C)`, with the learned temperature."""
        contrast = self.criterion.contrastive_loss
        logits = contrast.scale * features @ label_features.T
        return logits.softmax(dim=-1) if contrast.bias is None else (logits + contrast.bias).sigmoid()

    def _features(
        self, name: str, attention_mask: torch.Tensor | None = None, **inputs: Any
    ) -> tuple[torch.Tensor, torch.Tensor]:
        """Embeddings `(B, P)` of unit length, and which samples have the modality `(B,)`; the others get zeros."""
        mask_name = {"text": "attention_mask", "video": "pixel_mask", "audio": "audio_attention_mask"}[name]
        values = next(value for value in inputs.values() if value is not None)
        mask = attention_mask if name == "text" else inputs.pop(mask_name, None)
        if mask is None and name == "text" and self.config.text_config.pad_token_id is not None:
            mask = values != self.config.text_config.pad_token_id
        if mask is None:
            present = torch.ones(values.shape[0], dtype=torch.bool, device=values.device)
        else:
            present = mask.bool() if mask.ndim == 1 else mask.bool().any(dim=1)
            # The network refuses samples without anything. Here they are let through and thrown away.
            mask = mask.bool() | ~(present if mask.ndim == 1 else present[:, None])
        pooled = self.fusion(**inputs, **{mask_name: mask}).pooler_output
        embeds = nn.functional.normalize(getattr(self, f"{name}_head")(pooled).float(), dim=-1)
        return embeds.where(present[:, None], 0), present


def _text_ids(input_ids: torch.Tensor, attention_mask: torch.Tensor | None) -> torch.Tensor:
    """`(B,)`: one number for each distinct text, the same on every process and whatever the padding at the end.

    A polynomial of the tokens in 64-bit arithmetic that wraps around. Samples without text get numbers of their own.
    """
    powers = torch.full_like(input_ids[0], 6364136223846793005).cumprod(dim=0)
    mask = torch.ones_like(input_ids) if attention_mask is None else attention_mask.to(input_ids.dtype)
    own = torch.arange(input_ids.shape[0], device=input_ids.device) + (_rank() << 32)
    return ((input_ids + 1) * mask * powers).sum(dim=1).where(mask.any(dim=1), own)


def _rank() -> int:
    return distributed.get_rank() if distributed.is_available() and distributed.is_initialized() else 0


__all__ = ["MultimodalContrastiveOutput", "MultimodalFusionForContrastiveLearning"]
