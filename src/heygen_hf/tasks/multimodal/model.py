"""The `model` section of the multimodal tasks, and the fusion network that it describes."""

import dataclasses
import logging
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any, TypeVar

import torch
from huggingface_hub.dataclasses import strict
from huggingface_hub.errors import StrictDataclassError
from transformers import AutoModel, AutoModelForCausalLM, PreTrainedConfig, PreTrainedModel, PreTrainedTokenizerBase
from transformers.models.auto.configuration_auto import CONFIG_MAPPING

import heygen_hf.models  # noqa: F401 (registers our families with the Auto classes)
from heygen_hf.models.multimodal_fusion import MultimodalFusionConfig, MultimodalFusionPreTrainedModel
from heygen_hf.models.multimodal_fusion.encoders_multimodal_fusion import encode_video
from heygen_hf.processing import VideoProcessor
from heygen_hf.tasks.recipe_values import nearest_of

# Part of the network → the family that is built where a recipe names none.
_FAMILIES = {
    "text": "heygen_text_transformer",
    "video": "conv_video_encoder",
    "audio": "heygen_audio_encoder",
    "decoder": "heygen_text_transformer",
}
_OWN_KEYS = ("text_encoder", "video_encoder", "audio_encoder", "decoder", "attn_implementation")
_ModelT = TypeVar("_ModelT", bound=MultimodalFusionPreTrainedModel)


@strict
class FusionModelSection(MultimodalFusionConfig):
    """The fields of `MultimodalFusionConfig`, and trained parts to start from.

    `text_config`, `video_config`, `audio_config` and `decoder_config` are mappings of the fields of our own families,
    or of another family that `model_type` names; a modality without a configuration or an encoder is not read.
    `vocab_size` and the special tokens' numbers are filled in from the tokenizer.

    Args:
        text_encoder, video_encoder, audio_encoder: folder or Hub repository of a trained model that `AutoModel` loads;
            `freeze_encoders` says whether it is trained further.
        decoder: the same for the causal language model that writes captions and answers.
        attn_implementation: "auto" takes "matmul" on a CPU and "sdpa" elsewhere.
    """

    model_type = "heygen_multimodal_recipe"

    # A recipe holds mappings: of which family they are, `model_type` among them says.
    text_config: dict[str, Any] | None = None
    video_config: dict[str, Any] | None = None
    audio_config: dict[str, Any] | None = None
    decoder_config: dict[str, Any] | None = None
    text_encoder: str | None = None
    video_encoder: str | None = None
    audio_encoder: str | None = None
    decoder: str | None = None
    attn_implementation: str = "auto"


def modalities_of(section: dict[str, Any]) -> tuple[str, ...]:
    """The modalities that a `model` section reads, in the order of the network's streams."""
    return tuple(name for name in ("text", "video", "audio") if _is_read(section, name))


def build_fusion_model(
    model_class: type[_ModelT],
    section: dict[str, Any],
    *,
    tokenizer: PreTrainedTokenizerBase | None,
    processor: VideoProcessor | None,
    num_channels: int = 3,
    **config_fields: Any,
) -> _ModelT:
    """A fusion network for a recipe's `model` section: fresh weights, around trained encoders where it names them.

    Args:
        section: the checked keywords of `FusionModelSection`.
        tokenizer: of the text encoder and the decoder; None where the model reads and writes no text.
        processor: gives the clips' size, on which the video encoder is tried; None where there is no video.
        config_fields: fields of `MultimodalFusionConfig` that the data decide, such as `label_columns`; they win.

    Raises:
        ValueError: a key that is unknown, parts that cannot be built or do not fit the tokenizer or the clips.
    """
    parts, configs = _load_parts(section), {}
    for name in _FAMILIES:
        if _is_read(section, name) and name not in parts:
            configs[f"{name}_config"] = _part_config(name, section.get(f"{name}_config") or {}, tokenizer)
    for name in ("text", "decoder"):
        config = parts[name].config if name in parts else configs.get(f"{name}_config")
        if config is not None:
            _check_vocabulary(name, config, tokenizer)
    options = {
        name: value
        for name, value in section.items()
        if value is not None and name not in _OWN_KEYS and not name.endswith("_config")
    }
    with _one_line_errors("model"):
        model = model_class.from_encoders_pretrained(**parts, **configs, **(options | config_fields))
    attention = section.get("attn_implementation") or "auto"
    if attention == "auto":
        attention = "sdpa" if torch.cuda.is_available() else "matmul"
    _set_attention(model, attention)
    if processor is not None and "video" in model.config.modalities:
        check_clip_size(model, processor, num_channels=num_channels)
    return model.train()  # which freezes what is to be frozen


def _set_attention(model: MultimodalFusionPreTrainedModel, attention: str) -> None:
    """Wherever there is attention; of convolutions, which have none, transformers would say that they cannot."""
    log = logging.getLogger("transformers.modeling_utils")
    level = log.level
    log.setLevel(logging.ERROR)
    try:
        model.set_attn_implementation(attention)
    finally:
        log.setLevel(level)


def check_clip_size(model: MultimodalFusionPreTrainedModel, processor: VideoProcessor, *, num_channels: int) -> None:
    """Try the video encoder on one grey clip of the processor's size.

    Raises:
        ValueError: it wants clips of another size.
    """
    encoder = model.base_model.video_encoder
    sizes = (processor.num_frames, num_channels, processor.height, processor.width)
    wanted = _sizes_in(encoder.config)
    given = {"num_frames": sizes[0], "num_channels": sizes[1], "image_size": sizes[2:]}
    wrong = [name for name, size in wanted.items() if size != given[name]]
    problem = ", ".join(f"it wants {name} {wanted[name]}" for name in wrong)
    was_training = encoder.training
    if not wrong:
        try:
            with torch.no_grad():
                encode_video(encoder.eval(), torch.zeros(1, *sizes, dtype=encoder.dtype))
        except (ValueError, RuntimeError, IndexError) as error:
            problem = " ".join(str(error).split()).rstrip(".")
        finally:
            encoder.train(was_training)
    if problem:
        raise ValueError(
            f"the video encoder {type(encoder).__name__} does not take clips of {sizes} (frames, channels, height, "
            f"width): {problem}; set processor.num_frames, height and width to what it takes, or change "
            "model.video_config"
        )


def _sizes_in(config: PreTrainedConfig) -> dict[str, Any]:
    """What a configuration says of the clips, as far as it does."""
    sizes: dict[str, Any] = {}
    for name in ("num_frames", "num_channels"):
        if isinstance(getattr(config, name, None), int):
            sizes[name] = getattr(config, name)
    image_size = getattr(config, "image_size", None)
    if isinstance(image_size, int):
        sizes["image_size"] = (image_size, image_size)
    elif isinstance(image_size, list | tuple) and len(image_size) == 2:
        sizes["image_size"] = tuple(image_size)
    return sizes


def _is_read(section: dict[str, Any], name: str) -> bool:
    encoder = "decoder" if name == "decoder" else f"{name}_encoder"
    return section.get(encoder) is not None or section.get(f"{name}_config") is not None


def _load_parts(section: dict[str, Any]) -> dict[str, PreTrainedModel]:
    """Part of the network → the trained model that the recipe names for it."""
    parts: dict[str, PreTrainedModel] = {}
    for name in _FAMILIES:
        key = "decoder" if name == "decoder" else f"{name}_encoder"
        source = section.get(key)
        if source is None:
            continue
        if section.get(f"{name}_config"):
            raise ValueError(f"model.{key} and model.{name}_config are both set; a trained model has its own: drop one")
        auto = AutoModelForCausalLM if name == "decoder" else AutoModel
        try:
            parts[name] = auto.from_pretrained(source, dtype=torch.float32, use_safetensors=True)
        except (OSError, ValueError, KeyError) as error:
            reason = " ".join(str(error).split())[:300]
            raise ValueError(f"model.{key}={source} cannot be loaded ({reason}); name a model's folder") from error
    return parts


def _part_config(name: str, values: dict[str, Any], tokenizer: PreTrainedTokenizerBase | None) -> PreTrainedConfig:
    """The configuration of one part, its text sizes filled in from the tokenizer."""
    values, where = dict(values), f"model.{name}_config"
    family = values.pop("model_type", _FAMILIES[name])
    if family not in CONFIG_MAPPING:
        nearest = nearest_of(str(family), CONFIG_MAPPING.keys())
        hint = f"did you mean {nearest}?" if nearest else f"leave it out for {_FAMILIES[name]}"
        raise ValueError(f"{where}.model_type {family!r} is not a known family; {hint}")
    config_class = CONFIG_MAPPING[family]
    known = _fields_of(config_class)
    for key in values:
        if key not in known:
            nearest = nearest_of(str(key), known)
            hint = f"did you mean {where}.{nearest}?" if nearest else f"{family} has {', '.join(sorted(known)[:15])} …"
            raise ValueError(f"{where}.{key} is not a known key; {hint}")
    if name in ("text", "decoder") and tokenizer is not None:
        own = {"vocab_size": len(tokenizer), "pad_token_id": tokenizer.pad_token_id}
        own |= {"bos_token_id": tokenizer.bos_token_id, "eos_token_id": tokenizer.eos_token_id}
        if name == "text" and family == _FAMILIES["text"]:
            own["is_causal"] = False  # the encoder of a whole text
        values = own | values
    with _one_line_errors(where):
        return config_class(**values)


def _fields_of(config_class: type[PreTrainedConfig]) -> list[str]:
    return [field.name for field in dataclasses.fields(config_class) if field.init]


def _check_vocabulary(name: str, config: PreTrainedConfig, tokenizer: PreTrainedTokenizerBase | None) -> None:
    if tokenizer is None:
        raise ValueError(f"model.{name}_config reads text and there is no tokenizer: set data.caption_column")
    vocab_size = getattr(config.get_text_config(), "vocab_size", None)
    key = "decoder" if name == "decoder" else "text_encoder"
    if vocab_size is not None and len(tokenizer) > vocab_size:
        raise ValueError(
            f"model.{name}_config knows {vocab_size} tokens and the tokenizer has {len(tokenizer)}: set data.tokenizer "
            f"to the one that model.{key} was trained with, or leave vocab_size out"
        )


@contextmanager
def _one_line_errors(where: str) -> Iterator[None]:
    try:
        yield
    except StrictDataclassError as error:
        raise ValueError(f"recipe section {where}: {' '.join(str(error.__cause__ or error).split())}") from error


def text_encoder_names(section: dict[str, Any]) -> Sequence[str]:
    """Trained parts that bring a tokenizer of their own, the text encoder first."""
    return [section[key] for key in ("text_encoder", "decoder") if section.get(key)]
