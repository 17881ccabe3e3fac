"""The tokenizer and the generator that a recipe describes."""

from pathlib import Path
from typing import Any

import torch
from huggingface_hub.errors import StrictDataclassError
from transformers import PreTrainedTokenizerBase

from heygen_hf.data import load_tokenizer
from heygen_hf.models.video_transformer import VideoTransformerConfig, VideoTransformerForVideoGeneration
from heygen_hf.processing import VideoProcessor
from heygen_hf.tasks.clip_data import PreparedData
from heygen_hf.tasks.recipe import Recipe


def check_sizes(recipe: Recipe) -> None:
    """Refuse sizes that cannot work before anything is decoded.

    Raises:
        ValueError: a model field that cannot be, or a clip size that the patch does not divide.
    """
    if recipe.model.get("pretrained") is None:
        config = build_config(given_values(recipe.model))
        config.count_tokens(recipe.processor.num_frames, recipe.processor.height, recipe.processor.width)


def given_values(section: dict[str, Any]) -> dict[str, Any]:
    """The `model` section's fields of `VideoTransformerConfig` that are not left open."""
    return {
        name: value
        for name, value in section.items()
        if value is not None and name not in ("pretrained", "attn_implementation")
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
    if name is None and pretrained is not None:
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
    section: dict[str, Any], *, processor: VideoProcessor, tokenizer: PreTrainedTokenizerBase
) -> VideoTransformerForVideoGeneration:
    """A fresh or pretrained generator for the recipe's `model` section.

    Raises:
        ValueError: the clip's sizes are no multiples of the patch, or a pretrained vocabulary is not the tokenizer's.
    """
    values = given_values(section)
    pretrained = section.get("pretrained")
    attention = section.get("attn_implementation", "auto")
    sizes = {
        "sample_frames": processor.num_frames,
        "sample_height": processor.height,
        "sample_width": processor.width,
    }
    if pretrained is not None:
        # A run's folder is a pipeline: its denoiser lies one folder down.
        inside = {"subfolder": "transformer"} if (Path(pretrained) / "transformer").is_dir() else {}
        model = VideoTransformerForVideoGeneration.from_pretrained(pretrained, **inside, **(sizes | values))
        if model.config.vocab_size is not None and len(tokenizer) > model.config.vocab_size:
            raise ValueError(
                f"model.pretrained={pretrained} knows {model.config.vocab_size} tokens, the tokenizer has "
                f"{len(tokenizer)}: set data.tokenizer to the pretrained model's own."
            )
        config = model.config
    else:
        vocabulary = {"vocab_size": len(tokenizer), "pad_token_id": tokenizer.pad_token_id}
        config = build_config(vocabulary | sizes | values)
        model = VideoTransformerForVideoGeneration(config)
    tokens = config.count_tokens(processor.num_frames, processor.height, processor.width)
    model.set_attn_implementation(choose_attention(tokens) if attention == "auto" else attention)
    return model


def choose_attention(tokens: int) -> str:
    """The fastest attention measured for a sequence length on this device (benchmarks/RESULTS.md)."""
    return "matmul" if not torch.cuda.is_available() and tokens <= 1024 else "sdpa"
