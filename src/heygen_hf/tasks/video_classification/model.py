"""The classifier and the processor that a recipe describes, and whether they fit together."""

from dataclasses import asdict
from typing import Any

import torch
from huggingface_hub.errors import StrictDataclassError
from transformers import AutoConfig, AutoModelForVideoClassification, PreTrainedModel

from heygen_hf.models.conv_video_encoder import ConvVideoEncoderConfig, ConvVideoEncoderForVideoClassification
from heygen_hf.processing import VideoProcessor
from heygen_hf.tasks.clip_data import ProcessorSection
from heygen_hf.tasks.video_classification.labels import LabelNames

_OWN_KEYS = ("pretrained", "attn_implementation", "id2label", "label2id")


def build_processor(section: ProcessorSection, pretrained: str | None) -> VideoProcessor:
    """The recipe's processor; mean and deviation of a pretrained model are its own."""
    statistics: dict[str, Any] = {}
    if pretrained is not None:
        try:
            held, _ = VideoProcessor.get_image_processor_dict(pretrained)
        except OSError:  # none beside the model
            held = {}
        statistics = {name: held[name] for name in ("image_mean", "image_std") if held.get(name) is not None}
    return VideoProcessor(**asdict(section), **statistics)


def known_classes(section: dict[str, Any]) -> dict[int, str] | None:
    """Number → name of the classes that the recipe or the pretrained model sets; None where the data do."""
    if section.get("id2label"):
        return {int(number): str(name) for number, name in section["id2label"].items()}
    if section.get("pretrained") is not None:
        return {int(number): str(name) for number, name in _pretrained_config(section).id2label.items()}
    return None


def build_model(section: dict[str, Any], *, names: LabelNames, processor: VideoProcessor) -> PreTrainedModel:
    """A fresh or pretrained classifier for the recipe's `model` section.

    Raises:
        ValueError: a field that cannot be, or clips of a size that the model does not take.
    """
    classes: dict[str, Any] = {
        "id2label": names.id2label,
        "label2id": {name: number for number, name in names.id2label.items()},
        "problem_type": names.problem_type,
    }
    values = {name: value for name, value in section.items() if name not in _OWN_KEYS and value is not None}
    if section.get("pretrained") is not None:
        model = _load_pretrained(section, values, classes)
    else:
        try:
            config = ConvVideoEncoderConfig(**values, **classes)
        except StrictDataclassError as error:
            raise ValueError(f"recipe section model: {error.__cause__ or error}") from error
        model = ConvVideoEncoderForVideoClassification(config)
    check_clip_size(model, processor)
    if isinstance(model, ConvVideoEncoderForVideoClassification):
        model.to(memory_format=torch.channels_last_3d)  # a fifth faster on a CPU
    return model


def _load_pretrained(section: dict[str, Any], values: dict[str, Any], classes: dict[str, Any]) -> PreTrainedModel:
    pretrained, config = section["pretrained"], _pretrained_config(section)
    if values and not isinstance(config, ConvVideoEncoderConfig):
        raise ValueError(
            f"model.{next(iter(values))} is a field of the convolutional encoder, and model.pretrained={pretrained} is "
            f"a {config.model_type}; leave it out."
        )
    attention = section.get("attn_implementation")
    model, loaded = AutoModelForVideoClassification.from_pretrained(
        pretrained,
        **values,
        **classes,
        **({} if attention is None else {"attn_implementation": attention}),
        dtype=torch.float32,  # a checkpoint in bfloat16 would stay in it, and so would its optimizer's steps
        ignore_mismatched_sizes=True,  # of the head, whose classes may be others
        output_loading_info=True,
    )
    odd = [entry[0] if isinstance(entry, tuple) else entry for entry in loaded["mismatched_keys"]]
    odd += list(loaded["missing_keys"])
    beyond_head = sorted(name for name in odd if "classifier" not in name and not name.startswith("fc_norm"))
    if beyond_head:
        raise ValueError(
            f"model.pretrained={pretrained} lacks {beyond_head[0]}, or has it in another size: it is no model for "
            "video classification of this kind; leave out the fields that describe another one."
        )
    if odd or {int(number): name for number, name in config.id2label.items()} != classes["id2label"]:
        print(f"model.pretrained={pretrained} was trained for other classes: its last layer starts anew.")
        _start_head_anew(model)
    return model


def _start_head_anew(model: PreTrainedModel) -> None:
    """A last layer of the same size, but of other classes, is no better start than a random one."""
    head = getattr(model, "classifier", None)
    if isinstance(head, torch.nn.Linear):
        torch.nn.init.normal_(head.weight, std=0.02)
        if head.bias is not None:
            torch.nn.init.zeros_(head.bias)


def _pretrained_config(section: dict[str, Any]) -> Any:
    return AutoConfig.from_pretrained(section["pretrained"])


def check_clip_size(model: PreTrainedModel, processor: VideoProcessor) -> None:
    """Refuse clips that the model cannot take, before anything is trained.

    Raises:
        ValueError: they are too small for the strides, or the model wants another size.
    """
    sizes = (processor.num_frames, processor.height, processor.width)
    shown = f"clips of {sizes[0]} frames of {sizes[1]}x{sizes[2]} pixels (section processor)"
    config = model.config
    if isinstance(config, ConvVideoEncoderConfig):
        smallest = config.full_grid_clip_size
        if any(size < least for size, least in zip(sizes, smallest, strict=True)):
            raise ValueError(
                f"{shown} are too small for model.strides={config.strides} and pool_grid={config.pool_grid}, which "
                f"want {smallest[0]} frames of {smallest[1]}x{smallest[2]} at least: raise processor.num_frames, "
                "height and width, or lower the strides or the grid."
            )
    was_training = model.training
    try:
        with torch.no_grad():
            model.eval()(torch.zeros(1, sizes[0], 3, *sizes[1:], device=model.device, dtype=model.dtype))
    except (RuntimeError, ValueError) as error:
        wanted = [f"{name}={getattr(config, name)}" for name in ("num_frames", "image_size") if hasattr(config, name)]
        hint = f"; its configuration says {', '.join(wanted)}" if wanted else ""
        reason = str(error).strip().splitlines()[0]
        raise ValueError(f"{shown} do not fit {type(model).__name__}{hint} ({reason})") from error
    finally:
        model.train(was_training)
