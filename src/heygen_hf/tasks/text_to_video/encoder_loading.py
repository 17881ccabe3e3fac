"""The autoencoder and the text encoder that a recipe names, by folder or Hub name, found in pipelines too.

`model.autoencoder` is any `AutoencoderKL…` of diffusers, for videos or (frame by frame) for images;
`model.text_encoder` any text model of transformers, of which the last hidden states are used. Either may be a
pipeline's folder or repository, whose `vae/` or `text_encoder/` is then meant; and a run that `model.pretrained` goes
on from brings its own.
"""

from pathlib import Path
from typing import Any

import torch
from torch import nn

_VAE, _TEXT_ENCODER = "vae", "text_encoder"


def autoencoder_of(section: dict[str, Any]) -> str | None:
    """Where the autoencoder of a recipe's `model` section lies; None for a model of pixels."""
    return section.get("autoencoder") or _beside_pretrained(section, _VAE)


def text_encoder_of(section: dict[str, Any]) -> str | None:
    """Where the text encoder of a recipe's `model` section lies; None where the model reads token ids."""
    return section.get("text_encoder") or _beside_pretrained(section, _TEXT_ENCODER)


def _beside_pretrained(section: dict[str, Any], name: str) -> str | None:
    folder = Path(section.get("pretrained") or "") / name
    return str(folder) if section.get("pretrained") and folder.is_dir() else None


def load_autoencoder(name: str, *, with_weights: bool = True) -> nn.Module:
    """An autoencoder of diffusers by its own class, in evaluation mode and without gradients.

    Args:
        with_weights: False leaves it on the "meta" device, where it knows shapes and computes nothing.

    Raises:
        ValueError: there is none, or it is of a class that gives no distribution of latents.
    """
    import diffusers

    config, place = _read_config(name)
    class_name = config.get("_class_name", "")
    cls = getattr(diffusers, class_name, None)
    if cls is None or not class_name.startswith("Autoencoder"):
        raise ValueError(
            f"model.autoencoder={name} is {class_name or config.get('model_type', 'nothing')!r}; expected an "
            "AutoencoderKL… of diffusers, such as AutoencoderKLWan"
        )
    if not with_weights:
        with torch.device("meta"):
            model = cls.from_config(config)
    else:
        with _plain_error("model.autoencoder", name):
            model = cls.from_pretrained(name, use_safetensors=True, **place)
    return model.eval().requires_grad_(False)


def _read_config(name: str) -> tuple[dict[str, Any], dict[str, str]]:
    from diffusers import AutoencoderKL

    try:
        return AutoencoderKL.load_config(name), {}
    except OSError as error:
        try:
            return AutoencoderKL.load_config(name, subfolder=_VAE), {"subfolder": _VAE}
        except OSError:
            raise _not_loaded("model.autoencoder", name, error) from error


def read_text_config(name: str) -> tuple[Any, dict[str, str]]:
    """A text encoder's configuration, and where in `name` it lies.

    Raises:
        ValueError: there is none.
    """
    from transformers import AutoConfig

    error: Exception | None = None
    for place in ({}, {"subfolder": _TEXT_ENCODER}):
        try:
            return AutoConfig.from_pretrained(name, **place), place
        except (OSError, ValueError) as failure:
            error = error or failure
    assert error is not None
    raise _not_loaded("model.text_encoder", name, error) from error


def text_width(name: str) -> int:
    """Features of each token that a text encoder gives."""
    config, _ = read_text_config(name)
    return int(config.get_text_config().hidden_size)


def load_text_encoder(name: str) -> nn.Module:
    """A text encoder of transformers, in evaluation mode and without gradients; of an encoder-decoder, the encoder.

    Raises:
        ValueError: there is none.
    """
    from transformers import AutoModel, AutoModelForTextEncoding

    config, place = read_text_config(name)
    is_known = type(config) in AutoModelForTextEncoding._model_mapping  # encoders alone, where both are to be had
    loader = AutoModelForTextEncoding if is_known else AutoModel
    with _plain_error("model.text_encoder", name):
        model = loader.from_pretrained(name, use_safetensors=True, **place)
    if getattr(config, "is_encoder_decoder", False) and not is_known:
        model = model.get_encoder()
    return model.eval().requires_grad_(False)


def tokenizer_of_text_encoder(name: str) -> str:
    """Where a text encoder's own tokenizer lies: in the same place, or in the pipeline's `tokenizer/`."""
    path = Path(name)
    for folder in (path / "tokenizer", path.parent / "tokenizer"):
        if path.is_dir() and not (path / "tokenizer_config.json").is_file() and folder.is_dir():
            return str(folder)
    return name


class _plain_error:  # noqa: N801 - reads as a function
    """Turns what a library raises while it loads into one line."""

    def __init__(self, key: str, name: str) -> None:
        self.key, self.name = key, name

    def __enter__(self) -> None:
        pass

    def __exit__(self, kind: Any, error: BaseException | None, trace: Any) -> None:
        if isinstance(error, (OSError, ValueError, RuntimeError)):
            raise _not_loaded(self.key, self.name, error) from error


def _not_loaded(key: str, name: str, error: BaseException) -> ValueError:
    first_line = (str(error).strip() or type(error).__name__).splitlines()[0]
    return ValueError(f"nothing loads from {key}={name} ({first_line}); give a folder or a Hub name")
