"""`DiffusionPipeline`s; the only sampling loop."""

from heygen_hf.pipelines.schedulers import build_scheduler
from heygen_hf.pipelines.video_generation import VideoGenerationPipeline, VideoGenerationPipelineOutput

__all__ = ["VideoGenerationPipeline", "VideoGenerationPipelineOutput", "build_scheduler"]
