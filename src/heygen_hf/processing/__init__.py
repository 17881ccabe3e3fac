"""What turns clips into tensors and back: torch only, saved with the model, the same object everywhere."""

from heygen_hf.processing.frame_sampling import FrameSelection, select_frames
from heygen_hf.processing.seeding import draw_below, fold_seed, shuffled
from heygen_hf.processing.video_processor import VideoProcessor

__all__ = ["FrameSelection", "VideoProcessor", "draw_below", "fold_seed", "select_frames", "shuffled"]
