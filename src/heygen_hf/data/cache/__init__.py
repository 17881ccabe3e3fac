"""What is computed once and kept: decoded clips, keyed by content and settings."""

from heygen_hf.data.cache.frame_store import FrameStore
from heygen_hf.data.cache.frame_store_building import open_frame_store

__all__ = ["FrameStore", "open_frame_store"]
