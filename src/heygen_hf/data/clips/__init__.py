"""Prepared clips as a data set, and the batches made of them."""

from heygen_hf.data.clips.collators import VideoTextCollator, class_names
from heygen_hf.data.clips.dataset import VideoClipDataset, prepare_clips
from heygen_hf.data.clips.repeated import RepeatedClips

__all__ = ["RepeatedClips", "VideoClipDataset", "VideoTextCollator", "class_names", "prepare_clips"]
