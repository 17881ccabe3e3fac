"""The data loaders of a trainer: batches of one shape, in an order that no launcher changes."""

from collections.abc import Callable
from typing import Any

from torch.utils.data import Dataset, IterableDataset

from heygen_hf.data.loading import ClipLoader, EpochBatches, Grouping, batch_sizes_for
from heygen_hf.training.base_arguments import BaseTrainingArguments
from heygen_hf.training.checkpoints.preemption import outlive_preemption


def build_loader(
    dataset: Dataset,
    *,
    args: BaseTrainingArguments,
    batch_size: int,
    collate: Callable[[list[Any]], Any],
    process_index: int,
    num_processes: int,
    for_training: bool,
    count_tokens: Callable[[int, int, int], int] | None = None,
    tokens_per_batch: int | None = None,
) -> ClipLoader:
    """A loader for one process.

    Args:
        dataset: map-style. Where it has `buckets` of several sizes and `bucket_of_row`, a batch holds one size.
            Where it has `num_rows_per_shard`, shards are read a few at a time.
        batch_size: of one process, where `tokens_per_batch` sets none.
        for_training: shuffled, in whole optimiser steps.
        count_tokens: `(frames, height, width)` → tokens of a clip.
        tokens_per_batch: tokens of one process's batch; a batch of larger clips then has fewer.

    Raises:
        ValueError: the data set can only be iterated, so that no position in it can be gone back to.
    """
    if isinstance(dataset, IterableDataset) or not hasattr(dataset, "__len__"):
        raise ValueError(
            f"the data set is a {type(dataset).__name__}, which can only be read from its start, so a resumed run "
            "would not go on exactly; open the same source with open_video_shards and StreamedClipDataset (in a "
            "recipe: data.streaming=true)"
        )
    batches = EpochBatches(
        getattr(dataset, "num_rows_per_shard", None) or [len(dataset)],  # type: ignore[arg-type]
        batch_size=batch_size,
        seed=args.data_seed,
        process_index=process_index,
        num_processes=num_processes,
        accumulation_steps=args.gradient_accumulation_steps if for_training else 1,
        grouping=_grouping(dataset, batch_size, tokens_per_batch, count_tokens),
        shuffle=for_training,
    )
    workers = args.dataloader_num_workers
    # Workers that live on would keep the data set as it was in the epoch they were started in.
    persistent = args.dataloader_persistent_workers and workers > 0 and not hasattr(dataset, "set_epoch")
    return ClipLoader(
        dataset,
        batches=batches,
        collate=collate,
        num_workers=workers,
        pin_memory=args.dataloader_pin_memory,
        persistent_workers=persistent,
        worker_init_fn=outlive_preemption if workers else None,
        prefetch_factor=args.dataloader_prefetch_factor if workers else None,
    )


def _grouping(
    dataset: Dataset,
    batch_size: int,
    tokens_per_batch: int | None,
    count_tokens: Callable[[int, int, int], int] | None,
) -> Grouping | None:
    buckets = getattr(dataset, "buckets", None)
    if buckets is None or (len(buckets) == 1 and tokens_per_batch is None):
        return None
    sizes = (batch_size,) * len(buckets)
    if tokens_per_batch is not None and count_tokens is not None:
        counts = [count_tokens(bucket.num_frames, bucket.height, bucket.width) for bucket in buckets.buckets]
        sizes = batch_sizes_for(counts, tokens_per_batch=tokens_per_batch)
    return Grouping(group_of_row=dataset.bucket_of_row, batch_sizes=sizes)  # type: ignore[attr-defined]
