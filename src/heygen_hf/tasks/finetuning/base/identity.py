"""Which weights an adapter was trained on, so that other ones are refused."""

import hashlib
import json
from pathlib import Path

_SAMPLED_BYTES = 1 << 20


def fingerprint_transformer(folder: str | Path) -> str:
    """A short hash of a pipeline's transformer, by its configuration and samples of its files.

    Of each file the header, the size and a part of each end are read: files of tens of GB would take minutes, and other
    weights differ there too.
    """
    folder = Path(folder) / "transformer"
    digest = hashlib.blake2b(digest_size=16)
    config = json.loads((folder / "config.json").read_text(encoding="utf-8"))
    # What diffusers notes of where and by which version it was saved says nothing of the weights.
    config = {name: value for name, value in config.items() if not name.startswith("_") or name == "_class_name"}
    digest.update(json.dumps(config, sort_keys=True).encode())
    for path in sorted(folder.glob("*.safetensors")):
        size = path.stat().st_size
        digest.update(f"\n{path.name} {size}\n".encode())
        with path.open("rb") as file:
            digest.update(file.read(_SAMPLED_BYTES))
            if size > _SAMPLED_BYTES:
                file.seek(max(_SAMPLED_BYTES, size - _SAMPLED_BYTES))
                digest.update(file.read(_SAMPLED_BYTES))
    return digest.hexdigest()


def check_publishable(base_name: str, *, push_to_hub: bool, named: str | None) -> None:
    """Before training: an adapter that is to be published needs a base that others can load.

    Args:
        named: `hub.base_model`.

    Raises:
        ValueError: the base is a folder, and no name is given.
    """
    if push_to_hub and named is None and Path(base_name).is_dir():
        raise ValueError(
            f"hub.push_to_hub publishes an adapter, and its base model.pretrained={base_name} is a folder: give its "
            "name on the Hub in hub.base_model"
        )
