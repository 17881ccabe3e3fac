"""What turns clips into tensors and back: torch only, saved with the model, the same object everywhere."""

from typing import TYPE_CHECKING, Any

from heygen_hf.processing.frame_sampling import FrameSelection, select_frames
from heygen_hf.processing.seeding import draw_below, fold_seed, shuffled, shuffled_indices

if TYPE_CHECKING:
    from heygen_hf.processing.audio_feature_extractor import AudioFeatureExtractor
    from heygen_hf.processing.frame_audio_features import FrameAudioFeatureExtractor
    from heygen_hf.processing.video_processor import VideoProcessor

__all__ = [
    "AudioFeatureExtractor",
    "FrameAudioFeatureExtractor",
    "FrameSelection",
    "VideoProcessor",
    "draw_below",
    "fold_seed",
    "select_frames",
    "shuffled",
    "shuffled_indices",
]


def __getattr__(name: str) -> Any:
    if name == "VideoProcessor":  # brings transformers, which sampling arithmetic and rendering do without
        from heygen_hf.processing.video_processor import VideoProcessor

        return VideoProcessor
    if name == "AudioFeatureExtractor":
        from heygen_hf.processing.audio_feature_extractor import AudioFeatureExtractor

        return AudioFeatureExtractor
    if name == "FrameAudioFeatureExtractor":
        from heygen_hf.processing.frame_audio_features import FrameAudioFeatureExtractor

        return FrameAudioFeatureExtractor
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
