"""A cache and the encoder that makes what it lacks, as one thing to read from."""

import logging
from collections.abc import Callable, Collection, Mapping, Sequence
from typing import Any

import torch

from heygen_hf.data.cache.encoding_shard import Encoding
from heygen_hf.data.cache.encoding_store import EncodingCache

logger = logging.getLogger(__name__)

Encode = Callable[[Sequence[Any]], Sequence[Mapping[str, torch.Tensor]]]


class CachedEncoder:
    """Reads encodings from a cache, and encodes what is missing there to the very values it would have held.

    Args:
        cache: to read from.
        encode: what items are encoded to; None makes a missing one an error.
        append: add to the cache what had to be encoded.
    """

    def __init__(self, cache: EncodingCache, encode: Encode | None, *, append: bool = False) -> None:
        self.cache, self.encode, self.append = cache, encode, append

    def read(
        self,
        keys: Sequence[bytes],
        load_items: Callable[[Sequence[bytes]], Sequence[Any]],
        *,
        never_append: Collection[bytes] = (),
    ) -> list[Encoding]:
        """The encodings of some keys, in their order.

        Args:
            load_items: the items of the keys that are missing.
            never_append: keys whose items are not what the key says; looked at after `load_items`, which may add to it.

        Raises:
            ValueError: some are missing and there is no encoder, or it gives NaN.
        """
        absent = [key for key in dict.fromkeys(keys) if key not in self.cache]
        absent = self.cache.missing(absent) if absent else []
        if not absent:
            return [self.cache.read(key) for key in keys]
        if self.encode is None:
            raise ValueError(self.describe_missing(len(absent)))
        encodings = self.encode(load_items(absent))
        fresh = {key: self.cache.as_stored(encoding) for key, encoding in zip(absent, encodings, strict=True)}
        if self.append:
            self._append({key: encoding for key, encoding in fresh.items() if key not in never_append})
        return [fresh[key] if key in fresh else self.cache.read(key) for key in keys]

    def _append(self, fresh: Mapping[bytes, Encoding]) -> None:
        try:
            self.cache.write(fresh)
        except OSError as error:  # training does without
            logger.warning("nothing more is added to the cache: %s", error.strerror)
            self.append = False

    def describe_missing(self, number: int) -> str:
        """One line that says how many are missing and what to do."""
        return (
            f"{number} {self.cache.kind.replace('_', ' ')} are missing from {self.cache.folder}: fill it with "
            "`heygen-hf data cache RECIPE`, or give an encoder to encode them on the fly"
        )
