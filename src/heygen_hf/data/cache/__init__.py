"""What is computed once and kept, keyed by content and settings: decoded clips, latents, text embeddings."""

from heygen_hf.data.cache.encoding_fill import FillReport, fill_cache
from heygen_hf.data.cache.encoding_key import hash_weights, latent_settings
from heygen_hf.data.cache.encoding_statistics import latent_statistics
from heygen_hf.data.cache.encoding_store import EncodingCache
from heygen_hf.data.cache.encoding_superseded import list_other_caches
from heygen_hf.data.cache.frame_store import FrameStore
from heygen_hf.data.cache.frame_store_building import open_frame_store

__all__ = [
    "EncodingCache",
    "FillReport",
    "FrameStore",
    "fill_cache",
    "hash_weights",
    "latent_settings",
    "latent_statistics",
    "list_other_caches",
    "open_frame_store",
]
