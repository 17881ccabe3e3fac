"""The tokenizer and the generator that a recipe describes, and whether its sizes fit them."""

from dataclasses import asdict
from pathlib import Path
from typing import Any

import torch
from huggingface_hub.errors import StrictDataclassError
from transformers import PreTrainedTokenizerBase

from heygen_hf.data import load_tokenizer
from heygen_hf.data.buckets import Bucket
from heygen_hf.models.video_transformer import VideoTransformerConfig, VideoTransformerForVideoGeneration
from heygen_hf.processing import VideoProcessor
from heygen_hf.tasks.clip_data import PreparedData
from heygen_hf.tasks.clip_data.sizes import bucket_set
from heygen_hf.tasks.recipe import Recipe
from heygen_hf.tasks.text_to_video.encoder_loading import (
    autoencoder_of,
    text_encoder_of,
    text_width,
    tokenizer_of_text_encoder,
)
from heygen_hf.tasks.text_to_video.latent_geometry import LatentGeometry, check_frames, latent_geometry


def check_sizes(recipe: Recipe) -> None:
    """Refuse sizes and encoders that cannot work before anything is decoded.

    Raises:
        ValueError: a model field that cannot be, a clip size that the patch or the autoencoder does not take, or clips
            that cannot be encoded once for good.
    """
    check_cacheable(recipe)
    values = _with_encoders(recipe.model)
    sizes = (recipe.processor.num_frames, recipe.processor.height, recipe.processor.width)
    autoencoder = autoencoder_of(recipe.model)
    if autoencoder is None:
        if recipe.model.get("pretrained") is None:
            build_config(values).count_tokens(*sizes)
        return
    geometry = LatentGeometry(values["num_channels"], values["temporal_compression"], values["spatial_compression"])
    patch_size = _patch_size(recipe.model, build_config(values))
    geometry.latent_bucket(Bucket(*sizes), patch_size=patch_size, where="processor")
    check_frames(autoencoder, geometry, num_frames=sizes[0], where="processor")
    if recipe.data.buckets is not None or recipe.data.bucket_resolutions is not None:
        for bucket in bucket_set(recipe.data, VideoProcessor(**asdict(recipe.processor))).buckets:
            where = f"the bucket {bucket} in data:"
            geometry.latent_bucket(bucket, patch_size=patch_size, where=where)
            if bucket.num_frames != sizes[0]:
                check_frames(autoencoder, geometry, num_frames=bucket.num_frames, where=where)


def check_cacheable(recipe: Recipe) -> None:
    """Refuse options that leave nothing to encode once: streaming, augmented latents, draws that draw nothing."""
    latents = autoencoder_of(recipe.model) is not None
    if not latents and text_encoder_of(recipe.model) is None:
        return
    if recipe.data.streaming:
        raise ValueError(
            "data.streaming=true knows no clip's content beforehand, so nothing of it can be cached for "
            "model.autoencoder or model.text_encoder; set data.streaming=false"
        )
    if latents and recipe.data.augmentation is not None:
        raise ValueError(
            "data.augmentation changes clips anew each time, and model.autoencoder encodes each once; drop one of them"
        )
    draws = "random" in (recipe.processor.frame_position, recipe.processor.crop_position)
    if recipe.data.cache.variants_per_clip > 1 and not (latents and draws):
        raise ValueError(
            f"data.cache.variants_per_clip={recipe.data.cache.variants_per_clip} has nothing to vary: it needs "
            "model.autoencoder, and processor.frame_position or crop_position random"
        )


def _patch_size(section: dict[str, Any], config: VideoTransformerConfig) -> tuple[int, int, int]:
    """The patch of a fresh model, or of the pretrained one unless the recipe says otherwise."""
    pretrained = section.get("pretrained")
    if pretrained is not None and section.get("patch_size") is None:
        config = VideoTransformerConfig.from_pretrained(pretrained, **_inside(pretrained))
    frames, height, width = config.patch_size
    return frames, height, width


def given_values(section: dict[str, Any]) -> dict[str, Any]:
    """The `model` section's fields of `VideoTransformerConfig` that are not left open."""
    return {
        name: value
        for name, value in section.items()
        if value is not None and name not in ("pretrained", "autoencoder", "text_encoder", "attn_implementation")
    }


def build_config(values: dict[str, Any]) -> VideoTransformerConfig:
    """`VideoTransformerConfig(**values)`, its errors in one line."""
    try:
        return VideoTransformerConfig(**values)
    except StrictDataclassError as error:
        raise ValueError(f"recipe section model: {error.__cause__ or error}") from error


def build_tokenizer_for(recipe: Recipe, data: PreparedData) -> PreTrainedTokenizerBase:
    """The recipe's tokenizer, the pretrained model's own, or a small one built from the training captions.

    It carries the longest caption it makes, so that training and generation cut alike.
    """
    name, pretrained = recipe.data.tokenizer, recipe.model.get("pretrained")
    if name is None and recipe.model.get("text_encoder") is not None:
        name = tokenizer_of_text_encoder(recipe.model["text_encoder"])
    elif name is None and pretrained is not None:
        if not (Path(pretrained) / "tokenizer").is_dir():
            raise ValueError(
                f"model.pretrained={pretrained} has no tokenizer beside it; name the one it was trained with in "
                "data.tokenizer: a new one would give every word another meaning."
            )
        name = str(Path(pretrained) / "tokenizer")
    tokenizer = load_tokenizer(name, data.captions)
    tokenizer.model_max_length = min(tokenizer.model_max_length, recipe.data.max_caption_tokens)
    cut = sum(len(tokenizer(text)["input_ids"]) > tokenizer.model_max_length for text in set(data.captions))
    if cut:
        print(f"warning: {cut} captions have more than {tokenizer.model_max_length} tokens and are cut.")
    return tokenizer


def build_model(
    section: dict[str, Any], *, processor: VideoProcessor, tokenizer: PreTrainedTokenizerBase | None
) -> VideoTransformerForVideoGeneration:
    """A fresh or pretrained generator for the recipe's `model` section; without a tokenizer it reads no captions.

    Raises:
        ValueError: the clip's sizes are no multiples of the patch, a pretrained vocabulary is not the tokenizer's, or
            its clips are not the autoencoder's latents.
    """
    values = _with_encoders(section)
    pretrained, attention = section.get("pretrained"), section.get("attn_implementation", "auto")
    sizes = {
        "sample_frames": processor.num_frames,
        "sample_height": processor.height,
        "sample_width": processor.width,
    }
    if pretrained is not None:
        _check_channels(section, pretrained, values)
        loaded = VideoTransformerForVideoGeneration.from_pretrained
        model = loaded(pretrained, **_inside(pretrained), **(sizes | values))
        if tokenizer is not None and model.config.vocab_size is not None and len(tokenizer) > model.config.vocab_size:
            raise ValueError(
                f"model.pretrained={pretrained} knows {model.config.vocab_size} tokens, the tokenizer has "
                f"{len(tokenizer)}: set data.tokenizer to the pretrained model's own."
            )
        config = model.config
    else:
        vocabulary = {}
        if tokenizer is not None:
            vocabulary = {"vocab_size": len(tokenizer), "pad_token_id": tokenizer.pad_token_id}
        config = build_config(({} if "caption_hidden_size" in values else vocabulary) | sizes | values)
        model = VideoTransformerForVideoGeneration(config)
    tokens = _count_tokens(config, processor)
    model.set_attn_implementation(choose_attention(tokens) if attention == "auto" else attention)
    return model


def _check_channels(section: dict[str, Any], pretrained: str, values: dict[str, Any]) -> None:
    """Refuse an autoencoder whose latents the pretrained model cannot read, or none where it reads latents."""
    config = VideoTransformerConfig.from_pretrained(pretrained, **_inside(pretrained))
    channels = values.get("num_channels", config.num_channels)
    if channels != config.num_channels:
        autoencoder = autoencoder_of(section)
        origin = f"model.autoencoder={autoencoder} makes" if autoencoder else "model.num_channels is"
        raise ValueError(
            f"model.pretrained={pretrained} takes clips of {config.num_channels} channels, and {origin} {channels}: "
            "name the autoencoder that it was trained with, or leave model.pretrained out"
        )
    if config.spatial_compression > 1 and autoencoder_of(section) is None:
        raise ValueError(
            f"model.pretrained={pretrained} makes latents, and no autoencoder is beside it: set model.autoencoder to "
            "the one that it was trained with"
        )


def _inside(pretrained: str) -> dict[str, str]:
    """Where in `model.pretrained` the denoiser lies: a run's folder is a pipeline, and it is one folder down."""
    return {"subfolder": "transformer"} if (Path(pretrained) / "transformer").is_dir() else {}


def _with_encoders(section: dict[str, Any]) -> dict[str, Any]:
    """The given fields of `VideoTransformerConfig`, and those that the encoders decide.

    Raises:
        ValueError: an encoder cannot be loaded, or the recipe says otherwise than it.
    """
    values, decided = given_values(section), {}
    autoencoder, text_encoder = autoencoder_of(section), text_encoder_of(section)
    if autoencoder is not None:
        geometry = latent_geometry(autoencoder)
        decided["num_channels"] = geometry.channels
        decided["temporal_compression"] = geometry.temporal_compression
        decided["spatial_compression"] = geometry.spatial_compression
    if text_encoder is not None:
        decided["caption_hidden_size"] = text_width(text_encoder)
    for name, value in decided.items():
        if values.get(name, value) != value:
            raise ValueError(f"model.{name} is {values[name]} and the encoder's is {value}; leave the key out")
    return values | decided


def _count_tokens(config: VideoTransformerConfig, processor: VideoProcessor) -> int:
    temporal, spatial = config.temporal_compression, config.spatial_compression
    frames = (processor.num_frames - 1) // temporal + 1
    return config.count_tokens(frames, processor.height // spatial, processor.width // spatial)


def choose_attention(tokens: int) -> str:
    """The fastest attention measured for a sequence length on this device (benchmarks/RESULTS.md)."""
    return "matmul" if not torch.cuda.is_available() and tokens <= 1024 else "sdpa"
