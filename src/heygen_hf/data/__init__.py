"""From a folder of captioned clips to batches; every file is accounted for."""

from heygen_hf.data.cache.frame_store import FrameStore
from heygen_hf.data.cache.frame_store_building import open_frame_store
from heygen_hf.data.clips.collators import VideoTextCollator, class_names
from heygen_hf.data.clips.dataset import VideoClipDataset, prepare_clips
from heygen_hf.data.clips.repeated import RepeatedClips
from heygen_hf.data.moving_digits import render_moving_digits
from heygen_hf.data.report import DataReport
from heygen_hf.data.sources import has_split, load_video_dataset
from heygen_hf.data.sources.splits import split_by_clip
from heygen_hf.data.text.tokenization import build_tokenizer, load_tokenizer
from heygen_hf.data.video.decode import BadVideoError, VideoProperties, decode_frames, probe_video
from heygen_hf.data.video.encode import write_video
from heygen_hf.data.video.sampling import decode_video

__all__ = [
    "BadVideoError",
    "DataReport",
    "FrameStore",
    "RepeatedClips",
    "VideoClipDataset",
    "VideoProperties",
    "VideoTextCollator",
    "build_tokenizer",
    "class_names",
    "decode_frames",
    "decode_video",
    "has_split",
    "load_tokenizer",
    "load_video_dataset",
    "open_frame_store",
    "prepare_clips",
    "probe_video",
    "render_moving_digits",
    "split_by_clip",
    "write_video",
]
