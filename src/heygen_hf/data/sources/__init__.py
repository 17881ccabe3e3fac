"""Anything that holds captioned clips, opened into the same columns."""

from heygen_hf.data.sources.embedding import ExportReport, prepare_for_hub
from heygen_hf.data.sources.export import export_to_parquet, export_to_webdataset
from heygen_hf.data.sources.locations import has_split, is_missing_locally
from heygen_hf.data.sources.open import load_video_dataset, open_video_shards
from heygen_hf.data.sources.shards import VideoShards
from heygen_hf.data.sources.splits import split_by_clip, split_rows

__all__ = [
    "ExportReport",
    "VideoShards",
    "export_to_parquet",
    "export_to_webdataset",
    "has_split",
    "is_missing_locally",
    "load_video_dataset",
    "open_video_shards",
    "prepare_for_hub",
    "split_by_clip",
    "split_rows",
]
