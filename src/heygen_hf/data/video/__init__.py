"""Video files: what they hold, their frames and sound, and how they are written."""

from heygen_hf.data.video.decode import BadVideoError, VideoProperties, decode_frames, probe_video
from heygen_hf.data.video.encode import write_video
from heygen_hf.data.video.sampling import decode_video

__all__ = ["BadVideoError", "VideoProperties", "decode_frames", "decode_video", "probe_video", "write_video"]
