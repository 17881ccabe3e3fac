"""Do sound and picture run together? SyncNet's distance and confidence, or the correlation of two signals."""

from heygen_hf.evaluation.metrics.audio_video_sync.audio_video_sync import AudioVideoSync, audio_video_sync

__all__ = ["AudioVideoSync", "audio_video_sync"]
