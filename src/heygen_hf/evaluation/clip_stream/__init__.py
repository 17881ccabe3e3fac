"""Clips on their way to the metrics: checked one by one, in batches."""

from heygen_hf.evaluation.clip_stream.batches import ClipBatch, ClipShape, read_batches
from heygen_hf.evaluation.clip_stream.reference_clips import ReferenceClips, hash_clips, hash_files
from heygen_hf.evaluation.clip_stream.video_files import VideoFiles

__all__ = ["ClipBatch", "ClipShape", "ReferenceClips", "VideoFiles", "hash_clips", "hash_files", "read_batches"]
