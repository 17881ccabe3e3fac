"""Latents and text embeddings on disk: computed once by an encoder, and read ever after.

A cache is a folder `<kind>-<name>/` in the cache folder. Its name is made from what its tensors depend on: the
encoder's weights, the settings, the dtype and the version of this format, which `cache.json` says in plain words. So
another encoder or another size is another folder, and nothing in a folder can go stale. Within it, an item is known by
the hash of its content. Shards carry the cache's name, exist whole or not at all, and are found by listing the folder:
there is no central file, and any number of processes add shards at once. Caches may be deleted at any time.
"""

import json
import logging
import os
import threading
from collections import OrderedDict
from collections.abc import Iterable, KeysView, Mapping
from pathlib import Path
from typing import Any

import torch
from safetensors import safe_open

from heygen_hf.data.cache.disk_errors import clear_disk_errors
from heygen_hf.data.cache.encoding_key import EncodingKind, cache_name, describe_cache
from heygen_hf.data.cache.encoding_shard import (
    Encoding,
    read_header,
    read_json,
    remove_abandoned,
    shard_paths,
    shard_problem,
    write_atomically,
    write_shard,
)
from heygen_hf.data.report import name_some

logger = logging.getLogger(__name__)

DESCRIPTION_FILE = "cache.json"

_DIMENSIONS = {
    "latents": (4, "(frames, channels, height, width)"),
    "text_embeddings": (2, "(tokens, width)"),
}
_MAX_OPEN_SHARDS = 1024  # each is a mapping, of which a process may hold some 65,000


class EncodingCache:
    """Encodings of one encoder with one set of settings. Cheap to pickle: a worker opens the shards for itself.

    Args:
        cache_dir: where caches lie; created.
        kind: "latents" or "text_embeddings"; also the name of the tensor that every item must have, `(frames, channels,
            height, width)` or `(tokens, width)`. Further tensors (`latents_logvar`, `text_embeddings_mask`) are free.
        encoder_hash: of the encoder's weights, from `hash_weights`.
        settings: whatever else decides the values: the transform (`latent_settings`), the tokenizer and length of
            captions, options of the encoder. JSON.
        dtype: in which floating point tensors are held; others stay as they are.

    Raises:
        OSError: the folder cannot be written, or the disk is full.
        ValueError: the settings are not JSON.
    """

    def __init__(
        self,
        cache_dir: str | os.PathLike,
        *,
        kind: EncodingKind,
        encoder_hash: bytes,
        settings: Mapping[str, Any],
        dtype: torch.dtype = torch.bfloat16,
    ) -> None:
        if kind not in _DIMENSIONS:
            raise ValueError(f"kind is {kind!r}; expected one of {', '.join(_DIMENSIONS)}")
        if not dtype.is_floating_point:
            raise ValueError(f"dtype is {dtype}; encodings are held in a floating point type")
        self.kind: EncodingKind = kind
        self.dtype = dtype
        self.description = describe_cache(kind, encoder_hash=encoder_hash, settings=settings, dtype=dtype)
        self.name = cache_name(self.description)
        self.folder = Path(cache_dir) / f"{kind}-{self.name}"
        self._forget()
        self._prepare_folder()
        self.refresh()

    def _forget(self) -> None:
        self._shard_of: dict[bytes, int] = {}
        self._shards: list[tuple[Path, tuple[str, ...]]] = []
        self._seen: set[str] = set()
        self._handles: OrderedDict[int, Any] = OrderedDict()
        self._lock = threading.Lock()

    def _prepare_folder(self) -> None:
        path = self.folder / DESCRIPTION_FILE
        found = read_json(path)
        if found == self.description:
            return
        if path.exists():
            # shards say themselves which cache they are of, so those of another version are never taken for ours
            logger.warning("%s is damaged or of another version; writing it anew", path)
        with clear_disk_errors(self.folder.parent):
            self.folder.mkdir(parents=True, exist_ok=True)
            write_atomically(path, json.dumps(self.description, indent=1, sort_keys=True).encode())

    def __getstate__(self) -> dict[str, Any]:
        names = ("kind", "dtype", "description", "name", "folder")
        return {name: self.__dict__[name] for name in names}

    def __setstate__(self, state: dict[str, Any]) -> None:
        self.__dict__.update(state)
        self._forget()
        self.refresh()

    def refresh(self) -> None:
        """Take in the shards that other processes have finished since."""
        unreadable = []
        for path in shard_paths(self.folder):
            if path.name in self._seen:
                continue
            self._seen.add(path.name)
            try:
                keys, parts = read_header(path, cache=self.name)
            except ValueError as error:
                unreadable.append(str(error))
                continue
            self._add(path, keys, parts)
        if unreadable:
            logger.warning(
                "%d shards in %s cannot be used (%s); what they held counts as missing and is encoded anew",
                *(len(unreadable), self.folder, name_some(unreadable, limit=3)),
            )

    def _add(self, path: Path, keys: Iterable[bytes], parts: tuple[str, ...]) -> None:
        with self._lock:
            self._shards.append((path, parts))
            for key in keys:
                self._shard_of.setdefault(key, len(self._shards) - 1)

    def keys(self) -> KeysView[bytes]:
        """The keys of what is held, as far as this process has seen."""
        return self._shard_of.keys()

    def __len__(self) -> int:
        return len(self._shard_of)

    def __contains__(self, key: object) -> bool:
        return key in self._shard_of

    def missing(self, keys: Iterable[bytes]) -> list[bytes]:
        """Those of the keys that no process has written yet: each once, in their order."""
        self.refresh()
        return [key for key in dict.fromkeys(keys) if key not in self._shard_of]

    def read(self, key: bytes) -> Encoding:
        """The tensors of an item, as they were written, in the cache's dtype.

        Raises:
            KeyError: it is not there.
        """
        if key not in self._shard_of:
            self.refresh()
        number = self._shard_of[key]
        parts = self._shards[number][1]
        shard = self._open(number)
        # copies: what the shard gives are views of its mapping, and a change to one would be read again
        return {part: shard.get_tensor(f"{key.hex()}/{part}").clone() for part in parts}

    def _open(self, number: int) -> Any:
        with self._lock:
            shard = self._handles.pop(number, None)
            if shard is None:
                shard = safe_open(self._shards[number][0], framework="pt")
                while len(self._handles) >= _MAX_OPEN_SHARDS:
                    self._handles.popitem(last=False)
            self._handles[number] = shard
        return shard

    def as_stored(self, encoding: Mapping[str, torch.Tensor]) -> Encoding:
        """An encoder's output as the cache would give it back: on the CPU, in its dtype, checked.

        Raises:
            ValueError: a tensor is missing, has another shape, or holds NaN or infinite values.
        """
        dimensions, shape = _DIMENSIONS[self.kind]
        main = encoding.get(self.kind)
        if main is None or main.ndim != dimensions:
            found = f"shape {tuple(main.shape)}" if main is not None else f"only {', '.join(encoding) or 'nothing'}"
            raise ValueError(f"the encoder gave {found}; expected a tensor {self.kind!r} {shape}")
        stored = {}
        for name, tensor in encoding.items():
            # a copy, or a slice would keep its whole batch in memory
            tensor = tensor.detach().to("cpu", copy=True).contiguous()
            if tensor.is_floating_point():
                given = tensor
                tensor = tensor.to(self.dtype)
                if not torch.isfinite(tensor).all():
                    where = "" if not torch.isfinite(given).all() else f" in {self.description['dtype']}"
                    raise ValueError(f"the encoder gave NaN or infinite values{where} in {name!r}")
            stored[name] = tensor
        return stored

    def write(self, items: Mapping[bytes, Mapping[str, torch.Tensor]]) -> Path | None:
        """Add items as one shard: all of them are there afterwards, or none.

        Args:
            items: key to named tensors; every item has the same names.

        Returns:
            The shard, or None where there were no items.

        Raises:
            OSError: the disk is full or cannot be written; what the cache holds stays valid.
            ValueError: an item is not fit to be stored (see `as_stored`).
        """
        if not items:
            return None
        stored = {key: self.as_stored(encoding) for key, encoding in items.items()}
        parts = {tuple(sorted(encoding)) for encoding in stored.values()}
        if len(parts) > 1:
            raise ValueError(f"the items of a shard differ in their tensors: {sorted(parts)}; expected the same names")
        with clear_disk_errors(self.folder.parent):
            path = write_shard(self.folder, stored, cache=self.name)
        self._seen.add(path.name)
        self._add(path, stored, parts.pop())
        return path

    def remove_abandoned(self) -> int:
        """Remove what killed writers left behind; how many files that were."""
        return len(remove_abandoned(self.folder))

    @property
    def num_bytes(self) -> int:
        """Size of all shards on disk."""
        return sum(path.stat().st_size for path in shard_paths(self.folder))

    def verify(self) -> list[str]:
        """Read every byte of every shard and set damaged ones aside (as `<shard>.damaged`, which may be deleted).

        Returns:
            A line for each damaged shard; what they held is missing afterwards and can be filled in anew.
        """
        problems = []
        for path in shard_paths(self.folder):
            problem = shard_problem(path, cache=self.name)
            if problem is not None:
                with clear_disk_errors(self.folder.parent):
                    os.replace(path, path.with_name(path.name + ".damaged"))
                problems.append(problem)
        self._forget()
        self.refresh()
        return problems
