"""One file of encodings: written whole or not at all, named by its content."""

import hashlib
import json
import os
import socket
import time
import uuid
from collections.abc import Mapping
from pathlib import Path

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save

Encoding = dict[str, torch.Tensor]

_SHARD_PATTERN = "shard-*.safetensors"
_ABANDONED_AFTER_SECONDS = 3600.0  # a shard is written in seconds, also to a slow network disk


def write_shard(folder: Path, items: Mapping[bytes, Encoding], *, cache: str) -> Path:
    """Write encodings to a temporary file, force it to disk and rename it.

    Args:
        items: key to named tensors, of which every item has the same names.
        cache: name of the cache they belong to; kept in the header.

    Returns:
        Its path, `shard-<hash of its bytes>.safetensors`: what was written twice is one file.
    """
    tensors = {f"{key.hex()}/{name}": tensor for key in sorted(items) for name, tensor in items[key].items()}
    data = save(tensors, metadata={"cache": cache})
    path = folder / f"shard-{_hash(data)}.safetensors"
    write_atomically(path, data)
    return path


def write_atomically(path: Path, data: bytes) -> None:
    """Write a file that exists whole or not at all, and is on disk when this returns."""
    partial = path.with_name(f".{path.name}.{_host()}.{os.getpid()}.{uuid.uuid4().hex[:8]}.partial")
    try:
        with open(partial, "wb") as file:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
        os.replace(partial, path)
    finally:
        partial.unlink(missing_ok=True)
    if os.name == "posix":  # elsewhere folders cannot be opened
        descriptor = os.open(path.parent, os.O_RDONLY)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)


def read_header(path: Path, *, cache: str) -> tuple[list[bytes], tuple[str, ...]]:
    """The keys of a shard and the names of each item's tensors.

    Raises:
        ValueError: it is damaged, or of another cache.
    """
    try:
        with safe_open(path, framework="np") as shard:
            metadata, names = shard.metadata() or {}, list(shard.keys())
        if metadata.get("cache") != cache:
            raise ValueError("it is of another cache or another version")
        keys: dict[bytes, None] = {}
        parts: dict[str, None] = {}
        for name in names:
            key, _, part = name.partition("/")
            keys[bytes.fromhex(key)] = None
            parts[part] = None
        if len(names) != len(keys) * len(parts):
            raise ValueError("its items differ in their tensors")
    except (OSError, SafetensorError, ValueError) as error:
        raise ValueError(f"{path.name}: {_first_line(error)}") from error
    return list(keys), tuple(parts)


def shard_problem(path: Path, *, cache: str) -> str | None:
    """Read all of a shard and say what is wrong with it; None where every byte is as it was written."""
    try:
        read_header(path, cache=cache)
        if f"shard-{_hash(path.read_bytes())}.safetensors" != path.name:
            return f"{path.name}: its bytes are not those that were written"
    except (OSError, ValueError) as error:
        return _first_line(error)
    return None


def shard_paths(folder: Path) -> list[Path]:
    """The finished shards of a folder, in a fixed order."""
    return sorted(folder.glob(_SHARD_PATTERN))


def remove_abandoned(folder: Path) -> list[Path]:
    """Remove the temporary files of writers that are gone: killed on this machine, or silent for an hour."""
    removed = []
    for partial in folder.glob(".*.partial"):
        try:
            *_, host, process, _, _ = partial.name.split(".")
            silent = time.time() - partial.stat().st_mtime > _ABANDONED_AFTER_SECONDS
            if silent or (host == _host() and not _is_alive(int(process))):
                partial.unlink()
                removed.append(partial)
        except (OSError, ValueError):
            continue  # finished or removed in between, or no file of ours
    return removed


def read_json(path: Path) -> dict | None:
    """An object in a JSON file, or None where there is none that can be read."""
    try:
        value = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return None
    return value if isinstance(value, dict) else None


def _host() -> str:
    return socket.gethostname().replace(".", "-")[:64] or "host"


def _is_alive(process: int) -> bool:
    if os.name != "posix":
        return True  # asking would end it there; its file goes when it has been silent long enough
    try:
        os.kill(process, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    return True


def _hash(data: bytes) -> str:
    return hashlib.blake2b(data, digest_size=16).hexdigest()


def _first_line(error: Exception) -> str:
    return (str(error).strip() or type(error).__name__).splitlines()[0]
