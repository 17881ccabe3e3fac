"""Statistics of reference clips, kept under the hash of what they were computed from."""

import hashlib
import json
import os
from pathlib import Path
from typing import Any

from safetensors import SafetensorError
from safetensors.torch import load, save

from heygen_hf.data.cache.disk_errors import clear_disk_errors
from heygen_hf.data.cache.encoding_shard import write_atomically
from heygen_hf.evaluation.distributions.feature_statistics import FeatureStatistics

_FORMAT_VERSION = 1


def reference_key(*, content_hash: str, features: dict[str, Any], max_kept_clips: int, seed: int) -> str:
    """32 hex digits that change with the clips, the network, its weights and preprocessing, and what is kept."""
    description = {
        "format": _FORMAT_VERSION,
        "content": content_hash,
        "features": features,
        "max_kept_clips": max_kept_clips,
        "seed": seed,
    }
    return hashlib.blake2b(json.dumps(description, sort_keys=True).encode(), digest_size=16).hexdigest()


def save_statistics(
    cache_dir: str | os.PathLike[str], key: str, statistics: FeatureStatistics, description: dict[str, Any]
) -> Path:
    """Write the statistics, all at once, and beside them as JSON what they are of.

    Raises:
        OSError: the folder cannot be written, or the disk is full.
    """
    folder = Path(cache_dir)
    path = folder / f"{key}.safetensors"
    with clear_disk_errors(folder):
        folder.mkdir(parents=True, exist_ok=True)
        text = json.dumps(description, indent=2, sort_keys=True, ensure_ascii=False)
        write_atomically(path.with_suffix(".json"), text.encode())
        write_atomically(path, save(statistics.to_tensors()))
    return path


def load_statistics(cache_dir: str | os.PathLike[str], key: str) -> FeatureStatistics | None:
    """What was kept under this key; None where there is nothing, or nothing that can be read."""
    try:
        return FeatureStatistics.from_tensors(load((Path(cache_dir) / f"{key}.safetensors").read_bytes()))
    except (FileNotFoundError, SafetensorError, KeyError, ValueError):
        return None  # computed again and written over
