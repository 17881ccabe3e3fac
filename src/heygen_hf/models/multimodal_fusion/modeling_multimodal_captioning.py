"""Captions and answers written by a causal language model that reads the fused tokens as the beginning of its text.

Shape legend: batch B, fused tokens N, text tokens L, decoder's width E.
"""

import copy
from dataclasses import dataclass
from typing import Any

import torch
from torch import nn
from transformers import AutoModelForCausalLM, GenerationConfig, GenerationMixin, PreTrainedModel
from transformers import initialization as init
from transformers.processing_utils import Unpack
from transformers.utils import ModelOutput, TransformersKwargs
from transformers.utils.generic import can_return_tuple

from heygen_hf.models.multimodal_fusion.configuration_multimodal_fusion import MultimodalFusionConfig
from heygen_hf.models.multimodal_fusion.modeling_multimodal_classification import classification_loss
from heygen_hf.models.multimodal_fusion.modeling_multimodal_fusion import (
    MultimodalFusionModel,
    MultimodalFusionOutput,
    MultimodalFusionPreTrainedModel,
)
from heygen_hf.models.text_transformer.checks_text_transformer import IGNORED, check_labels


@dataclass
class MultimodalTextOutput(ModelOutput):
    """Output of a model that writes, or that picks an answer.

    Attributes:
        loss: scalar, with labels.
        logits: `(B, L, vocabulary)`, what is predicted at each of the labels' places; `(B, answers)` where answers are
            picked; None without labels where they are written (use `generate`).
        hidden_states, attentions, cross_attentions: the fusion network's, when asked for.
    """

    loss: torch.FloatTensor | None = None
    logits: torch.FloatTensor | None = None
    hidden_states: tuple[torch.FloatTensor, ...] | None = None
    attentions: tuple[torch.FloatTensor, ...] | None = None
    cross_attentions: tuple[torch.FloatTensor, ...] | None = None


class MultimodalFusionPrefix(nn.Module):
    """How the fused tokens reach the decoder: projected, before a learned token that starts the text."""

    def __init__(self, config: MultimodalFusionConfig, *, decoder_width: int) -> None:
        super().__init__()
        self.projection = nn.Linear(config.hidden_size, decoder_width)
        self.start = nn.Parameter(torch.empty(decoder_width))

    def forward(self, outputs: MultimodalFusionOutput) -> tuple[torch.Tensor, torch.Tensor]:
        """`(B, N + 1, E)` and its mask `(B, N + 1)`."""
        tokens = self.projection(outputs.last_hidden_state)
        start = self.start.to(tokens.dtype).expand(tokens.shape[0], 1, -1)
        return torch.cat((tokens, start), dim=1), nn.functional.pad(outputs.token_mask, (0, 1), value=1)


class _WritingModel(MultimodalFusionPreTrainedModel, GenerationMixin):
    """What captioning and written answers share: `fusion`, `prefix` and `decoder`."""

    @torch.no_grad()
    def _init_weights(self, module: nn.Module) -> None:
        super()._init_weights(module)
        if isinstance(module, MultimodalFusionPrefix):
            # The scale of the projected tokens that it follows.
            init.normal_(module.start, std=self.config.initializer_range)

    def _build_decoder(self) -> tuple[PreTrainedModel, MultimodalFusionPrefix]:
        if self.config.decoder_config is None:
            raise ValueError(
                f"{type(self).__name__} writes with a causal language model: give decoder_config, such as that of a "
                "TextTransformerForCausalLM."
            )
        self.generation_config = GenerationConfig.from_model_config(self.config.decoder_config)
        decoder = AutoModelForCausalLM.from_config(self.config.decoder_config)
        width = decoder.get_input_embeddings().embedding_dim
        return decoder, MultimodalFusionPrefix(self.config, decoder_width=width)

    def _write(
        self, outputs: MultimodalFusionOutput, labels: torch.Tensor, num_items_in_batch: Any = None
    ) -> tuple[torch.Tensor, torch.Tensor]:
        """The loss of the text `(B, L)`, and the logits that predict each of its tokens `(B, L, vocabulary)`."""
        if labels.ndim != 2:
            raise ValueError(f"labels have shape {tuple(labels.shape)}; expected (batch, tokens), the text to write.")
        embeddings = self.decoder.get_input_embeddings()
        vocab_size = embeddings.num_embeddings
        check_labels(labels, num_classes=vocab_size, classes="the decoder's vocab_size", num_items=num_items_in_batch)

        # 1. The fused tokens, the start and the text in one row.
        prefix, prefix_mask = self.prefix(outputs)
        known = labels != IGNORED
        text = embeddings(labels.where(known, 0)).to(prefix.dtype)
        mask = torch.cat((prefix_mask, known.long()), dim=1)

        # 2. Positions as `generate` counts them: padding between the modalities takes no place.
        logits = self.decoder(
            inputs_embeds=torch.cat((prefix, text), dim=1),
            attention_mask=mask,
            position_ids=(mask.cumsum(dim=1) - 1).masked_fill(mask == 0, 0),
            use_cache=False,
            logits_to_keep=labels.shape[1] + 1,
        ).logits

        # 3. The start and all but the last of the text predict the text; the loss shifts them itself.
        targets = nn.functional.pad(labels, (1, 0), value=IGNORED)
        loss = self.decoder.loss_function(
            logits=logits, labels=targets, vocab_size=vocab_size, num_items_in_batch=num_items_in_batch
        )
        return loss, logits[:, :-1]

    @torch.no_grad()
    def generate(self, generation_config: GenerationConfig | None = None, **options: Any) -> Any:
        """Write a text for each sample: any option of `transformers`' `generate` (greedy, sampling, beams, ...).

        Args:
            generation_config: by default the model's own.
            options: the inputs of `forward` without the labels, and options of generation, such as `max_new_tokens`.

        Returns:
            `(batch, new tokens)`: the written tokens alone; a `ModelOutput` with `return_dict_in_generate=True`.
        """
        if self.decoder is None:
            raise ValueError("this model picks its answers: use `answer`, or answer_by='generation' to write them.")
        inputs = {name: options.pop(name) for name in _INPUT_NAMES if name in options}
        options.pop("labels", None)
        generation_config = copy.deepcopy(generation_config or self.generation_config)
        others = generation_config.update(**options)  # streamers, stopping criteria and the like
        prefix, mask = self.prefix(self.fusion(**inputs))
        return self.decoder.generate(
            inputs_embeds=prefix, attention_mask=mask, generation_config=generation_config, **others
        )


_INPUT_NAMES = (
    "input_ids",
    "attention_mask",
    "pixel_values",
    "pixel_mask",
    "audio_values",
    "input_features",
    "audio_attention_mask",
    "clip_index",
)


class MultimodalFusionForCaptioning(_WritingModel):
    """Describes what it is given, video, sound or both (and a text to read, for a model with a text encoder)."""

    main_input_name = "pixel_values"

    def __init__(self, config: MultimodalFusionConfig) -> None:
        super().__init__(config)
        self.fusion = MultimodalFusionModel(config)
        self.decoder, self.prefix = self._build_decoder()
        self.post_init()

    @can_return_tuple
    def forward(
        self,
        pixel_values: torch.FloatTensor | None = None,
        pixel_mask: torch.Tensor | None = None,
        audio_values: torch.FloatTensor | None = None,
        input_features: torch.FloatTensor | None = None,
        audio_attention_mask: torch.Tensor | None = None,
        input_ids: torch.LongTensor | None = None,
        attention_mask: torch.Tensor | None = None,
        labels: torch.LongTensor | None = None,
        **kwargs: Unpack[TransformersKwargs],
    ) -> MultimodalTextOutput:
        r"""
        Args:
            labels (`torch.LongTensor` of shape `(batch, tokens)`, *optional*):
                The captions, from the first token to the one that ends them, -100 for padding. They are not shifted.

            The other arguments are those of [`MultimodalFusionModel`]; `input_ids` is text to read, not the caption.

        Raises:
            ValueError: labels outside the decoder's vocabulary, or none but -100.
        """
        outputs = self.fusion(
            input_ids=input_ids,
            attention_mask=attention_mask,
            pixel_values=pixel_values,
            pixel_mask=pixel_mask,
            audio_values=audio_values,
            input_features=input_features,
            audio_attention_mask=audio_attention_mask,
            **_without_loss_arguments(kwargs),
        )
        loss, logits = (
            (None, None) if labels is None else self._write(outputs, labels, kwargs.get("num_items_in_batch"))
        )
        return _text_output(loss, logits, outputs)


class MultimodalFusionForQuestionAnswering(_WritingModel):
    """Answers a question (`input_ids`) about a video or a recording.

    With `answer_by="classification"` it picks one of the answers in `config.id2label`, an open vocabulary as large as
    the training answers; with `"generation"` the decoder writes the answer.
    """

    def __init__(self, config: MultimodalFusionConfig) -> None:
        super().__init__(config)
        if "text" not in config.modalities:
            raise ValueError("question answering reads a question: give text_config.")
        self.fusion = MultimodalFusionModel(config)
        writes = config.answer_by == "generation"
        self.decoder, self.prefix = self._build_decoder() if writes else (None, None)
        self.dropout = None if writes else nn.Dropout(config.classifier_dropout)
        self.classifier = None if writes else nn.Linear(config.hidden_size, config.num_labels)
        # Trainer divides what does not take num_items_in_batch by the accumulation steps.
        self.accepts_loss_kwargs = writes
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
        clip_index: torch.LongTensor | None = None,
        labels: torch.LongTensor | None = None,
        **kwargs: Unpack[TransformersKwargs],
    ) -> MultimodalTextOutput:
        r"""
        Args:
            labels (`torch.LongTensor` of shape `(batch,)` or `(batch, tokens)`, *optional*):
                The answers: their numbers in `config.id2label`, -100 for one the loss skips; or their tokens up to and
                with the one that ends them, -100 for padding.

            The other arguments are those of [`MultimodalFusionModel`]; `input_ids` is the question.

        Raises:
            ValueError: labels out of range or of another shape, or none but -100.
        """
        outputs = self.fusion(
            input_ids=input_ids,
            attention_mask=attention_mask,
            pixel_values=pixel_values,
            pixel_mask=pixel_mask,
            audio_values=audio_values,
            input_features=input_features,
            audio_attention_mask=audio_attention_mask,
            clip_index=clip_index,
            **_without_loss_arguments(kwargs),
        )
        if self.decoder is not None:
            loss, logits = (
                (None, None) if labels is None else self._write(outputs, labels, kwargs.get("num_items_in_batch"))
            )
            return _text_output(loss, logits, outputs)
        logits = self.classifier(self.dropout(outputs.pooler_output))
        loss = None if labels is None else classification_loss(logits, labels, self.config)
        return _text_output(loss, logits, outputs)

    @torch.no_grad()
    def answer(self, *, tokenizer: Any = None, **inputs: Any) -> list[str]:
        """The answers as text: names from `config.id2label`, or what `generate` writes, which needs the tokenizer."""
        if self.decoder is None:
            chosen = self(**inputs).logits.argmax(dim=-1).tolist()
            return [self.config.id2label[number] for number in chosen]
        if tokenizer is None:
            raise ValueError("written answers are tokens: pass the decoder's tokenizer.")
        return tokenizer.batch_decode(self.generate(**inputs), skip_special_tokens=True)


def _without_loss_arguments(kwargs: dict[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in kwargs.items() if name != "num_items_in_batch"}


def _text_output(
    loss: torch.Tensor | None, logits: torch.Tensor | None, outputs: MultimodalFusionOutput
) -> MultimodalTextOutput:
    return MultimodalTextOutput(
        loss=loss,
        logits=logits,
        hidden_states=outputs.hidden_states,
        attentions=outputs.attentions,
        cross_attentions=outputs.cross_attentions,
    )


__all__ = [
    "MultimodalFusionForCaptioning",
    "MultimodalFusionForQuestionAnswering",
    "MultimodalFusionPrefix",
    "MultimodalTextOutput",
]
