"""From any collection of captioned clips to batches; every file is accounted for.

Rooms, from the ground up: `video` (files), `cache` (what is computed once), `clips` (data sets of prepared or streamed
clips), `loading` (batches and positions), `plan`; beside them `sources`, `text`, `augmentation`, `moving_digits`.
"""

from heygen_hf.data.augmentation import VideoAugmentation
from heygen_hf.data.buckets import Bucket, BucketSet, make_buckets
from heygen_hf.data.cache import EncodingCache, FrameStore, hash_weights, latent_statistics, open_frame_store
from heygen_hf.data.clips import (
    ClipOptions,
    ClipSounds,
    ClipSubset,
    EncodedClips,
    RepeatedClips,
    StreamedClipDataset,
    TextTargetCollator,
    TextTargets,
    VideoClipDataset,
    VideoTextCollator,
    class_names,
    prepare_clips,
    prepare_sounds,
)
from heygen_hf.data.loading import ClipLoader, EpochBatches
from heygen_hf.data.moving_digits import render_moving_digits
from heygen_hf.data.plan import ClipPlan, plan_clips
from heygen_hf.data.report import DataReport
from heygen_hf.data.sources import (
    VideoShards,
    export_to_parquet,
    export_to_webdataset,
    has_split,
    load_video_dataset,
    open_video_shards,
    prepare_for_hub,
    split_by_clip,
)
from heygen_hf.data.text import (
    TextCollator,
    build_byte_pair_tokenizer,
    build_character_tokenizer,
    build_tokenizer,
    check_captions,
    load_tokenizer,
    prepare_text_dataset,
)
from heygen_hf.data.video import (
    BadVideoError,
    VideoProperties,
    VideoSource,
    VideoWriter,
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
    "ClipPlan",
    "ClipSounds",
    "ClipSubset",
    "DataReport",
    "EncodedClips",
    "EncodingCache",
    "EpochBatches",
    "FrameStore",
    "RepeatedClips",
    "StreamedClipDataset",
    "TextCollator",
    "TextTargetCollator",
    "TextTargets",
    "VideoAugmentation",
    "VideoClipDataset",
    "VideoProperties",
    "VideoShards",
    "VideoSource",
    "VideoTextCollator",
    "VideoWriter",
    "build_byte_pair_tokenizer",
    "build_character_tokenizer",
    "build_tokenizer",
    "check_captions",
    "class_names",
    "decode_frames",
    "decode_video",
    "export_to_parquet",
    "export_to_webdataset",
    "has_split",
    "hash_weights",
    "latent_statistics",
    "load_tokenizer",
    "load_video_dataset",
    "make_buckets",
    "open_frame_store",
    "open_video_shards",
    "plan_clips",
    "prepare_clips",
    "prepare_for_hub",
    "prepare_sounds",
    "prepare_text_dataset",
    "probe_video",
    "render_moving_digits",
    "split_by_clip",
    "write_video",
]
