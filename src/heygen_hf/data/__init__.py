"""From any collection of captioned clips to batches; every file is accounted for.

Rooms, from the ground up: `video` (files), `cache` (what is computed once), `clips` (data sets of prepared or streamed
clips), `loading` (batches and positions), `plan`; beside them `sources`, `text`, `augmentation`, `moving_digits`.
"""

from heygen_hf.data.augmentation import VideoAugmentation
from heygen_hf.data.buckets import Bucket, BucketSet, make_buckets
from heygen_hf.data.cache import FrameStore, open_frame_store
from heygen_hf.data.clips import (
    ClipOptions,
    ClipSubset,
    RepeatedClips,
    StreamedClipDataset,
    VideoClipDataset,
    VideoTextCollator,
    class_names,
    prepare_clips,
)
from heygen_hf.data.loading import ClipLoader, EpochBatches
from heygen_hf.data.moving_digits import render_moving_digits
from heygen_hf.data.report import DataReport
from heygen_hf.data.sources import has_split, load_video_dataset, split_by_clip
from heygen_hf.data.text import build_tokenizer, load_tokenizer
from heygen_hf.data.video import (
    BadVideoError,
    VideoProperties,
    VideoSource,
    decode_frames,
    decode_video,
    probe_video,
    write_video,
)

__all__ = [
    "BadVideoError",
    "Bucket",
    "BucketSet",
    "ClipLoader",
    "ClipOptions",
    "ClipSubset",
    "DataReport",
    "EpochBatches",
    "FrameStore",
    "RepeatedClips",
    "StreamedClipDataset",
    "VideoAugmentation",
    "VideoClipDataset",
    "VideoProperties",
    "VideoSource",
    "VideoTextCollator",
    "build_tokenizer",
    "class_names",
    "decode_frames",
    "decode_video",
    "has_split",
    "load_tokenizer",
    "load_video_dataset",
    "make_buckets",
    "open_frame_store",
    "prepare_clips",
    "probe_video",
    "render_moving_digits",
    "split_by_clip",
    "write_video",
]
