"""3-D patch discriminator."""

from heygen_hf.models.video_discriminator.configuration_video_discriminator import VideoDiscriminatorConfig
from heygen_hf.models.video_discriminator.modeling_video_discriminator import (
    VideoDiscriminatorModel,
    VideoDiscriminatorOutput,
)

__all__ = ["VideoDiscriminatorConfig", "VideoDiscriminatorModel", "VideoDiscriminatorOutput"]
