"""A family's encoders as the clips' caches call them; its own pipeline encodes captions, first frames and control."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import torch
from torch import nn
from transformers import PreTrainedTokenizerBase

from heygen_hf.data.cache.encoding_key import hash_weights
from heygen_hf.models.pretrained_generators import GeneratorFamily
from heygen_hf.pipelines.latents import known_normalization
from heygen_hf.processing import VideoProcessor
from heygen_hf.processing.derived_control import CONTROL_VERSION, ControlKind, derive_control
from heygen_hf.tasks.text_to_video.encoders import EncodeFrames, Encoders, hash_tokenizer, options_of

_TEXT_ENCODERS = ("text_encoder", "text_encoder_2", "text_encoder_3")
_TOKENIZERS = ("tokenizer", "tokenizer_2", "tokenizer_3")


@dataclass(frozen=True)
class FamilyEncoders(Encoders):
    """See [`Encoders`]; `text_encoder` holds all of those that the family has, `control` is of the recipe's data."""

    family: GeneratorFamily | None = None
    control: ControlKind | None = None

    def to(self, device: torch.device | str) -> None:
        super().to(device)
        images = getattr(self.family and self.family.pipeline, "image_encoder", None)
        if images is not None:
            images.to(device)

    def encode_frames(self, processor: VideoProcessor, *, with_spread: bool) -> EncodeFrames:
        assert self.family is not None
        assert self.autoencoder is not None
        if not self.family.takes_first_frame and not self.family.takes_control:
            return super().encode_frames(processor, with_spread=with_spread)
        return EncodeFramesAndConditions(
            self.autoencoder, processor, family=self.family, control=self.control, with_spread=with_spread
        )

    def encode_captions(self, tokenizer: PreTrainedTokenizerBase) -> "EncodePrompts":  # noqa: ARG002 - the family's own
        assert self.family is not None
        return EncodePrompts(self.family)

    def without_text_encoder(self) -> "FamilyEncoders":
        return replace(self, text_encoder=None)

    def normalization(self, num_channels: int) -> tuple[torch.Tensor, torch.Tensor]:
        # The published pipeline decodes as it does: where it has no numbers, latents stay as they are.
        known = known_normalization(self.autoencoder, num_channels)
        return (torch.zeros(num_channels), torch.ones(num_channels)) if known is None else known

    def frame_settings(self) -> dict[str, Any]:
        assert self.family is not None
        settings = super().frame_settings()
        if getattr(self.autoencoder, "use_tiling", False):  # where tiles meet, latents are blended
            settings["tiled"] = True
        # What clips are conditioned on is cached normalised, first frames are read by another encoder too.
        known = known_normalization(self.autoencoder, self.family.latent_channels)
        normalization = None if known is None else [value.tolist() for value in known]
        if self.family.takes_control:
            kind = self.control and {"kind": self.control, "version": CONTROL_VERSION}
            settings["control"] = {"family": self.family.name, "normalization": normalization, "derived": kind}
        if not self.family.takes_first_frame:
            return settings
        settings["first_frame"] = {"normalization": normalization}
        images = getattr(self.family.pipeline, "image_encoder", None)
        if images is not None:
            settings["first_frame"]["image_encoder"] = hash_weights(images).hex()
        return settings

    def caption_settings(self, tokenizer: PreTrainedTokenizerBase) -> dict[str, Any]:  # noqa: ARG002 - the family's own
        assert self.family is not None
        pipe = self.family.pipeline
        encoders = [getattr(pipe, name, None) for name in _TEXT_ENCODERS]
        tokenizers = [getattr(pipe, name, None) for name in _TOKENIZERS]
        return {
            "family": self.family.name,
            "encoders": [options_of(encoder) for encoder in encoders if encoder is not None],
            "tokenizers": [hash_tokenizer(one) for one in tokenizers if one is not None],
            **self.family.prompt_settings(),
        }


def family_encoders(family: GeneratorFamily, *, geometry: Any, control: ControlKind | None = None) -> FamilyEncoders:
    """The encoders of a family's pipeline.

    Args:
        control: what clips that control are made of the clips, where data have none.
    """
    pipe = family.pipeline
    texts = [getattr(pipe, name, None) for name in _TEXT_ENCODERS]
    return FamilyEncoders(
        pipe.vae, nn.ModuleList([text for text in texts if text is not None]), geometry, family, control
    )


def drop_text_encoders(family: GeneratorFamily) -> None:
    """Let go of the text encoders of a pipeline that encodes no more prompts."""
    pipe = family.pipeline
    pipe.register_modules(**{name: None for name in _TEXT_ENCODERS if getattr(pipe, name, None) is not None})


class EncodePrompts:
    """Captions as the family's own pipeline encodes them."""

    def __init__(self, family: GeneratorFamily) -> None:
        self.family = family

    def __call__(self, texts: Sequence[str]) -> list[dict[str, torch.Tensor]]:
        return self.family.encode_prompts(texts)


class EncodeFramesAndConditions(EncodeFrames):
    """Latents of clips, and beside them what the family is told of the first frame, or of the clip that controls.

    Args:
        control: what the latter is made of the clip; None where items have `control`, uint8 as their `frames`.
    """

    def __init__(self, *args: Any, family: GeneratorFamily, control: ControlKind | None = None, **options: Any) -> None:
        super().__init__(*args, **options)
        self.family, self.control = family, control

    @torch.no_grad()
    def __call__(self, items: Sequence[Mapping[str, Any]]) -> list[dict[str, torch.Tensor]]:
        encoded = super().__call__(items)
        like = next(self.autoencoder.parameters())
        images = getattr(self.family.pipeline, "image_encoder", None)
        if images is not None:
            images.to(like.device)
        for item, found in zip(items, encoded, strict=True):
            frames, told = item["frames"], dict[str, torch.Tensor]()
            if self.family.takes_first_frame:
                first = self.processor.normalize(frames[:1].to(like.device))
                told |= self.family.encode_first_frames(first, num_frames=len(frames))
            if self.family.takes_control:
                control = control_of(item, self.control).to(like.device)
                told |= self.family.encode_control(self.processor.normalize(control)[None])
            found.update({name: value[0] for name, value in told.items()})
        return encoded


def control_of(item: Mapping[str, Any], kind: ControlKind | None) -> torch.Tensor:
    """The clip that controls an item's, uint8 as its `frames`: given in `control`, or made of these."""
    control: torch.Tensor = item["control"] if kind is None else derive_control(item["frames"], kind)
    return control
