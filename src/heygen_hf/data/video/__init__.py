"""Video files: what they hold, their frames and sound, and how they are written."""

from heygen_hf.data.video.decode import decode_frames
from heygen_hf.data.video.encode import VideoWriter, write_video
from heygen_hf.data.video.errors import BadVideoError, ClipTooLargeError, ShortVideoError
from heygen_hf.data.video.properties import VideoProperties, probe_video
from heygen_hf.data.video.sampling import decode_sample, decode_video
from heygen_hf.data.video.source import VideoSource

__all__ = [
    "BadVideoError",
    "ClipTooLargeError",
    "ShortVideoError",
    "VideoProperties",
    "VideoSource",
    "VideoWriter",
    "decode_frames",
    "decode_sample",
    "decode_video",
    "probe_video",
    "write_video",
]
