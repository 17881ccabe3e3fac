"""Videos from an exported pipeline: sampled, written to a folder, shown as a grid."""

from heygen_hf.tasks.generation.folder import to_uint8
from heygen_hf.tasks.generation.generate import generate
from heygen_hf.tasks.generation.sample_grid import sample_grid_writer, video_grid
from heygen_hf.tasks.generation.sampling import GIVEN, fast_math, load_pipeline, sample_videos

__all__ = [
    "GIVEN",
    "fast_math",
    "generate",
    "load_pipeline",
    "sample_grid_writer",
    "sample_videos",
    "to_uint8",
    "video_grid",
]
