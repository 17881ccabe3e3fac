"""How any `AutoModel` becomes an encoder of the fusion network: what it is fed, and its output as tokens.

Shape legend: batch B, tokens N, encoder's width E.
"""

import inspect

import torch
from transformers import AutoModel, PreTrainedConfig, PreTrainedModel

from heygen_hf.models.text_transformer.checks_text_transformer import check_token_ids


def build_encoder(config: PreTrainedConfig) -> PreTrainedModel:
    """The model of a configuration with fresh weights; of an encoder-decoder (Whisper, T5) the encoder alone."""
    model_class = AutoModel._model_mapping.get(type(config), None)
    if isinstance(model_class, type) and not (model_class._supports_sdpa or model_class._supports_attention_backend):
        config._attn_implementation = "eager"  # the network's attention is none of a convolution's business
    return encoder_part(AutoModel.from_config(config))


def encoder_part(model: PreTrainedModel) -> PreTrainedModel:
    return model.get_encoder() if model.config.is_encoder_decoder else model


def encoder_width(config: PreTrainedConfig, *, modality: str) -> int:
    """Width of the encoder's tokens.

    Raises:
        ValueError: the configuration has no `hidden_size`, as those of two-tower models such as CLIP's.
    """
    width = getattr(config, "hidden_size", None)
    if not isinstance(width, int):
        raise ValueError(
            f"{modality}_config ({config.model_type!r}) has no hidden_size: pass the configuration of one encoder, "
            "such as the text_config or vision_config of a two-tower model."
        )
    return width


def encode_text(
    encoder: PreTrainedModel, input_ids: torch.Tensor, attention_mask: torch.Tensor
) -> tuple[torch.Tensor, torch.Tensor]:
    """`(B, N)` ids and a boolean mask whose rows attend to at least one token → `(B, N, E)` and the mask."""
    embeddings = encoder.get_input_embeddings()
    vocab_size = getattr(embeddings, "num_embeddings", None) or encoder.config.vocab_size
    check_token_ids(input_ids, vocab_size=vocab_size)
    output = encoder(input_ids=input_ids, attention_mask=attention_mask.long())
    return _tokens(output, encoder, modality="text")[0], attention_mask


def encode_video(encoder: PreTrainedModel, pixel_values: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
    """`(B, frames, channels, height, width)` → `(B, N, E)` and positions `(N, 3)`; image models see frame by frame."""
    batch, frames = pixel_values.shape[:2]
    modalities = encoder.input_modalities
    modalities = (modalities,) if isinstance(modalities, str) else tuple(modalities)
    # Timesformer calls itself an image model; its configuration knows better.
    by_frame = "video" not in modalities and "image" in modalities and not hasattr(encoder.config, "num_frames")
    name = encoder.main_input_name
    if not by_frame:
        return _tokens(encoder(**{name: pixel_values}), encoder, modality="video")
    tokens, positions = _tokens(encoder(**{name: pixel_values.flatten(0, 1)}), encoder, modality="video")
    places = torch.arange(frames * tokens.shape[1], device=tokens.device)
    time, within = places // tokens.shape[1], places % tokens.shape[1]
    positions = torch.stack((time, *positions[within].unbind(-1)[:2]), dim=-1)
    return tokens.reshape(batch, -1, tokens.shape[-1]), positions


def encode_audio(
    encoder: PreTrainedModel,
    audio_values: torch.Tensor | None,
    input_features: torch.Tensor | None,
    attention_mask: torch.Tensor,
) -> tuple[torch.Tensor, torch.Tensor]:
    """Samples `(B, samples)` or features `(B, ...)`, and the boolean mask of either → `(B, N, E)`, `(B, N)`."""
    accepted = inspect.signature(encoder.forward).parameters
    if audio_values is not None:
        if encoder.main_input_name != "input_values":
            raise ValueError(
                f"audio_values (samples) were passed to {type(encoder).__name__}, which reads "
                f"{encoder.main_input_name}: pass input_features as its feature extractor makes them."
            )
        inputs = {"input_values": audio_values}
    else:
        name = "input_features" if "input_features" in accepted else encoder.main_input_name
        inputs = {name: input_features}
    if "attention_mask" in accepted:
        inputs["attention_mask"] = attention_mask.long()
    output = encoder(**inputs)
    tokens, _ = _tokens(output, encoder, modality="audio")
    return tokens, _audio_token_mask(encoder, output, attention_mask, tokens.shape[1])


def _audio_token_mask(
    encoder: PreTrainedModel, output: object, attention_mask: torch.Tensor, num_tokens: int
) -> torch.Tensor:
    """`(B, N)`: which tokens stand for sound, as the encoder says or in proportion to the mask it was given."""
    own = getattr(output, "attention_mask", None)
    if own is not None:
        return own.bool()
    if hasattr(encoder, "_get_feature_vector_attention_mask"):
        return encoder._get_feature_vector_attention_mask(num_tokens, attention_mask.long()).bool()
    places = torch.arange(num_tokens, device=attention_mask.device) * attention_mask.shape[1] // num_tokens
    return attention_mask[:, places]


def _tokens(output: object, encoder: PreTrainedModel, *, modality: str) -> tuple[torch.Tensor, torch.Tensor]:
    """`last_hidden_state` as `(B, N, E)` and the tokens' positions `(N, 3)`: (time, row, column).

    A sequence's positions lie on the time axis. Feature maps `(B, E, [frames,] height, width)` are flattened.
    """
    hidden = getattr(output, "last_hidden_state", None)
    if hidden is None:
        raise ValueError(
            f"the {modality} encoder {type(encoder).__name__} returns no last_hidden_state: pass a model that encodes."
        )
    if hidden.ndim == 3:
        time = torch.arange(hidden.shape[1], device=hidden.device)
        positions = torch.stack((time, torch.zeros_like(time), torch.zeros_like(time)), dim=-1)
    else:
        grid = hidden.shape[2:] if hidden.ndim == 5 else (1, *hidden.shape[2:])
        axes = [torch.arange(size, device=hidden.device) for size in grid]
        positions = torch.stack(torch.meshgrid(*axes, indexing="ij"), dim=-1).reshape(-1, 3)
        hidden = hidden.flatten(2).transpose(1, 2)
    expected = encoder_width(encoder.config, modality=modality)
    if hidden.shape[-1] != expected:
        raise ValueError(
            f"the {modality} encoder {type(encoder).__name__} returned tokens of width {hidden.shape[-1]}; its "
            f"configuration says hidden_size={expected}: the two must agree."
        )
    return hidden, positions


__all__ = ["build_encoder", "encode_audio", "encode_text", "encode_video", "encoder_part", "encoder_width"]
