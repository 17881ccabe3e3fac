"""Which clips make up each batch, in which order, and a loader that resumes exactly."""

from heygen_hf.data.loading.batches import EpochBatches, Grouping, batch_sizes_for
from heygen_hf.data.loading.loader import PROBLEMS, ClipLoader, CollateWithProblems, take_problems
from heygen_hf.data.loading.order import epoch_order

__all__ = [
    "PROBLEMS",
    "ClipLoader",
    "CollateWithProblems",
    "EpochBatches",
    "Grouping",
    "batch_sizes_for",
    "epoch_order",
    "take_problems",
]
