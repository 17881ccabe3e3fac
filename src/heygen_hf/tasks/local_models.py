"""Models that a recipe names by a local folder: whether they are there, before anyone asks the Hub for them."""

from typing import Any

from heygen_hf.data.sources import is_missing_locally
from heygen_hf.tasks.recipe import Recipe

# The keys of a recipe that take a folder or a name on the Hub, beside the data.
_KEYS = {
    "model": ("pretrained", "autoencoder", "text_encoder", "video_encoder", "audio_encoder", "decoder"),
    "audio": ("encoder",),
    "peft": ("pretrained", "previous"),
    "data": ("tokenizer",),
}


def check_local_models(recipe: Recipe) -> None:
    """Refuse a recipe that names a folder which is not there; a library would look for it on the Hub, for minutes.

    Raises:
        ValueError: there is no such folder.
    """
    for section, keys in _KEYS.items():
        for key in keys:
            value = _value(getattr(recipe, section), key)
            for name in value if isinstance(value, list) else [value]:
                if isinstance(name, str) and is_missing_locally(name):
                    raise ValueError(
                        f"{section}.{key}: no folder {name}; where a recipe names it, the commands at its top make it"
                    )


def _value(section: Any, key: str) -> Any:
    return section.get(key) if isinstance(section, dict) else getattr(section, key, None)
