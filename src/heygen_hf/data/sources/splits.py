"""Hold clips out for validation where the data set has no split of its own."""

import hashlib
import logging
from collections.abc import Sequence
from typing import TYPE_CHECKING

from heygen_hf.processing import fold_seed

if TYPE_CHECKING:
    import datasets

logger = logging.getLogger(__name__)


def split_by_clip(
    dataset: "datasets.Dataset", validation_share: float = 0.05, *, seed: int = 0
) -> "tuple[datasets.Dataset, datasets.Dataset | None]":
    """Split by file, so that the captions of one clip are never on both sides.

    A file's side depends on its name and the seed, so new files do not move the old ones far: those with the
    smallest hashes are held out.

    Args:
        dataset: with a column `file_name`, as `load_video_dataset` gives it.
        validation_share: of the files, at least one.

    Returns:
        Training and validation set; None for validation where there is one file only, which cannot be split.

    Raises:
        ValueError: the share is not between 0 and 1.
    """
    train, validation = split_rows([name.encode() for name in dataset["file_name"]], validation_share, seed=seed)
    if not validation:
        return dataset, None
    return dataset.select(train), dataset.select(validation)


def split_rows(keys: Sequence[bytes], validation_share: float = 0.05, *, seed: int = 0) -> tuple[list[int], list[int]]:
    """Split rows by a key of theirs, such as the hash of a file: rows with one key are never on both sides.

    Returns:
        Row numbers for training and for validation; none for validation where there is one key only.

    Raises:
        ValueError: the share is not between 0 and 1.
    """
    if not 0 < validation_share < 1:
        raise ValueError(f"validation_share is {validation_share}; expected a share between 0 and 1, such as 0.05")

    def rank(key: bytes) -> int:
        return fold_seed(seed, int.from_bytes(hashlib.blake2b(key, digest_size=8).digest(), "big"))

    ranked = sorted(set(keys), key=lambda key: (rank(key), key))
    if len(ranked) < 2:
        logger.info("There is only one clip, so none is held out for validation.")
        return list(range(len(keys))), []
    held_out = set(ranked[: min(len(ranked) - 1, max(1, round(len(ranked) * validation_share)))])
    logger.info(
        "There is no validation set, so %d of the %d clips are held out for it (seed %d).",
        len(held_out),
        len(ranked),
        seed,
    )
    train = [row for row, key in enumerate(keys) if key not in held_out]
    return train, [row for row, key in enumerate(keys) if key in held_out]
