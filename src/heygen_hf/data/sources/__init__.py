"""Anything that holds captioned clips, opened into the same columns."""

from heygen_hf.data.sources.open import has_split, load_video_dataset
from heygen_hf.data.sources.splits import split_by_clip

__all__ = ["has_split", "load_video_dataset", "split_by_clip"]
