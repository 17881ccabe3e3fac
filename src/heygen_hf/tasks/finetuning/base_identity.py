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
