"""A recipe's encoders as `EncodedClips` calls them, and the caches that hold what they give.

A cache depends on whatever decides its values and on nothing else: the encoder's weights and the options in its
configuration, the processor, the tokenizer, the dtype. How latents are normalised is no part of it, since they are
cached as the autoencoder gives them.
"""

import hashlib
import inspect
import json
import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import torch
from torch import nn
from transformers import PreTrainedTokenizerBase

from heygen_hf.data.cache.encoding_key import hash_weights, latent_settings
from heygen_hf.data.cache.encoding_store import EncodingCache
from heygen_hf.pipelines.latents import encode_to_posterior, known_normalization
from heygen_hf.processing import VideoProcessor
from heygen_hf.tasks.recipe import Recipe
from heygen_hf.tasks.text_to_video.encoder_loading import (
    autoencoder_of,
    load_autoencoder,
    load_text_encoder,
    text_encoder_of,
)
from heygen_hf.tasks.text_to_video.latent_geometry import LatentGeometry, latent_geometry

_NORMALIZATION = {"latents_mean", "latents_std", "scaling_factor", "shift_factor"}
_NO_OPTION = {"transformers_version", "dtype", "torch_dtype", "architectures", "use_cache", "name_or_path"}


@dataclass(frozen=True)
class Encoders:
    """The encoders of a recipe; None where it names none. `geometry` is the autoencoder's."""

    autoencoder: nn.Module | None = None
    text_encoder: nn.Module | None = None
    geometry: LatentGeometry | None = None

    def __bool__(self) -> bool:
        return self.autoencoder is not None or self.text_encoder is not None

    def to(self, device: torch.device | str) -> None:
        """Move both."""
        for module in (self.autoencoder, self.text_encoder):
            if module is not None:
                module.to(device)

    def without_text_encoder(self) -> "Encoders":
        """The same, of clips alone."""
        return replace(self, text_encoder=None)

    def encode_frames(self, processor: VideoProcessor, *, with_spread: bool) -> "EncodeFrames":
        """What `EncodedClips` encodes clips with."""
        assert self.autoencoder is not None
        return EncodeFrames(self.autoencoder, processor, with_spread=with_spread)

    def encode_captions(self, tokenizer: PreTrainedTokenizerBase) -> Any:
        """What `EncodedClips` encodes captions with."""
        assert self.text_encoder is not None
        return EncodeCaptions(self.text_encoder, tokenizer)

    def normalization(self, num_channels: int) -> tuple[torch.Tensor, torch.Tensor] | None:
        """Shift and scale of each latent channel; None where they are to be measured on the training clips."""
        return known_normalization(self.autoencoder, num_channels)

    def frame_settings(self) -> dict[str, Any]:
        """What decides latents beside the autoencoder's weights and the processor, as JSON."""
        return {"encoder": options_of(self.autoencoder)}

    def caption_settings(self, tokenizer: PreTrainedTokenizerBase) -> dict[str, Any]:
        """What decides encoded captions beside the text encoder's weights, as JSON."""
        return {
            "encoder": options_of(self.text_encoder),
            "tokenizer": hash_tokenizer(tokenizer),
            "max_tokens": tokenizer.model_max_length,
        }


def load_encoders(section: dict[str, Any]) -> Encoders:
    """What a recipe's `model` section names, on the CPU.

    Raises:
        ValueError: an encoder cannot be loaded.
    """
    autoencoder, text_encoder = autoencoder_of(section), text_encoder_of(section)
    return Encoders(
        None if autoencoder is None else load_autoencoder(autoencoder),
        None if text_encoder is None else load_text_encoder(text_encoder),
        None if autoencoder is None else latent_geometry(autoencoder),
    )


class EncodeFrames:
    """Items with `frames` to `{"latents": mean}` each, or with `latents_logvar` beside it; wherever the encoder is."""

    def __init__(self, autoencoder: nn.Module, processor: VideoProcessor, *, with_spread: bool = False) -> None:
        self.autoencoder, self.processor, self.with_spread = autoencoder, processor, with_spread

    @torch.no_grad()
    def __call__(self, items: Sequence[Mapping[str, Any]]) -> list[dict[str, torch.Tensor]]:
        encoded: list[dict[str, torch.Tensor]] = [{} for _ in items]
        by_shape: dict[torch.Size, list[int]] = {}
        for number, item in enumerate(items):
            by_shape.setdefault(item["frames"].shape, []).append(number)
        like = next(self.autoencoder.parameters())
        for numbers in by_shape.values():
            frames = torch.stack([items[number]["frames"] for number in numbers]).to(like.device)
            video = self.processor.normalize(frames).to(like.dtype)
            means, spreads = encode_to_posterior(self.autoencoder, video)
            for number, mean, spread in zip(numbers, means, spreads, strict=True):
                encoded[number] = {"latents": mean} | ({"latents_logvar": spread} if self.with_spread else {})
        return encoded


class EncodeCaptions:
    """Captions to `{"text_embeddings": (tokens, width)}` each, without padding; cut as the tokenizer says."""

    def __init__(self, text_encoder: nn.Module, tokenizer: PreTrainedTokenizerBase) -> None:
        self.text_encoder, self.tokenizer = text_encoder, tokenizer

    @torch.no_grad()
    def __call__(self, texts: Sequence[str]) -> list[dict[str, torch.Tensor]]:
        tokens = self.tokenizer(
            list(texts),
            padding=True,
            truncation=True,
            max_length=self.tokenizer.model_max_length,
            return_tensors="pt",
        ).to(next(self.text_encoder.parameters()).device)
        states = self.text_encoder(tokens["input_ids"], attention_mask=tokens["attention_mask"]).last_hidden_state
        rows = zip(states, tokens["attention_mask"].bool(), strict=True)
        # a caption of no tokens keeps one of padding: an item has at least one
        return [{"text_embeddings": row[mask] if mask.any() else row[:1]} for row, mask in rows]


def open_caches(
    recipe: Recipe,
    encoders: Encoders,
    *,
    cache_dir: str | os.PathLike,
    processor: VideoProcessor,
    tokenizer: PreTrainedTokenizerBase,
) -> dict[str, EncodingCache]:
    """Kind → cache, of each encoder there is, as `EncodedClips` takes them.

    Raises:
        OSError: the folder cannot be written, or the disk is full.
    """
    options = recipe.data.cache
    dtype = getattr(torch, options.dtype)
    caches = {}
    if encoders.autoencoder is not None:
        settings = latent_settings(processor, seed=recipe.seed, with_size=False)
        settings |= encoders.frame_settings() | {"with_spread": options.posterior == "sample"}
        caches["latents"] = EncodingCache(
            cache_dir,
            kind="latents",
            encoder_hash=hash_weights(encoders.autoencoder),
            settings=settings,
            dtype=dtype,
        )
    if encoders.text_encoder is not None:
        settings = encoders.caption_settings(tokenizer)
        caches["text_embeddings"] = EncodingCache(
            cache_dir,
            kind="text_embeddings",
            encoder_hash=hash_weights(encoders.text_encoder),
            settings=settings,
            dtype=dtype,
        )
    return caches


def options_of(encoder: Any) -> dict[str, Any]:
    """The class, and what its configuration says that is not its default: so another version of a library, with
    another option more, is still the same encoder."""
    if hasattr(encoder.config, "to_diff_dict"):  # of transformers
        values = {key: value for key, value in encoder.config.to_diff_dict().items() if key not in _NO_OPTION}
    else:
        defaults = {
            name: parameter.default for name, parameter in inspect.signature(type(encoder).__init__).parameters.items()
        }
        values = {
            key: value
            for key, value in dict(encoder.config).items()
            if key not in _NORMALIZATION and key in defaults and _plain(value) != _plain(defaults[key])
        }
    values = {key: value for key, value in values.items() if not key.startswith("_")}
    return {"class": type(encoder).__name__, "options": json.loads(json.dumps(values, default=str))}


def _plain(value: Any) -> Any:
    return list(value) if isinstance(value, tuple) else value


def hash_tokenizer(tokenizer: PreTrainedTokenizerBase) -> str:
    """Hex digits that depend on how text becomes tokens, padding and cutting aside."""
    described: Any = sorted(tokenizer.get_vocab().items())
    if getattr(tokenizer, "is_fast", False):
        described = json.loads(tokenizer.backend_tokenizer.to_str())
        # both are what the last call asked for
        described.pop("padding", None), described.pop("truncation", None)
    return hashlib.blake2b(json.dumps(described, sort_keys=True).encode(), digest_size=8).hexdigest()
