"""How large the transformer's clip is for a video, and how many frames a video has where the call does not say."""

import torch

from heygen_hf.models.video_transformer import VideoTransformerModel
from heygen_hf.pipelines.audio_inputs import HeardAudio
from heygen_hf.pipelines.latents import fit_latent_size


class ClipSizesMixin:
    """Sizes by the pipeline's `transformer`."""

    transformer: VideoTransformerModel

    def clip_shape(
        self, *, num_frames: int | None = None, height: int | None = None, width: int | None = None
    ) -> tuple[int, int, int, int]:
        """The transformer's clip `(frames, channels, height, width)` for a video of a size (default: the trained one).

        Raises:
            ValueError: a size that the patch and the autoencoder do not divide, naming the nearest that works.
        """
        config = self.transformer.config
        # An autoencoder that compresses time keeps the first frame apart: 4n + 1 frames make n + 1 latents.
        keeps_first = config.temporal_compression > 1
        sizes = []
        for name, asked, default, compression, patch, first in (
            ("num_frames", num_frames, config.sample_frames, config.temporal_compression, 0, keeps_first),
            ("height", height, config.sample_height, config.spatial_compression, 1, False),
            ("width", width, config.sample_width, config.spatial_compression, 2, False),
        ):
            size = default if asked is None else asked
            latent, nearest = fit_latent_size(
                size, compression=compression, patch=config.patch_size[patch], keeps_first=first
            )
            if nearest:
                raise ValueError(f"{name}={size} does not fit this model: the nearest that work are {nearest}.")
            sizes.append(latent)
        return sizes[0], config.num_channels, sizes[1], sizes[2]

    def frames_for(self, heard: HeardAudio, *, context_frames: int | None = None) -> int:
        """How many frames a video of a sound has: as long as the sound, and at least as long as the model's."""
        config = self.transformer.config
        if heard.num_frames <= config.sample_frames:
            return config.sample_frames
        if self.makes_windows(heard.num_frames, context_frames):
            return heard.num_frames
        compression, patch = config.temporal_compression, config.patch_size[0]
        rows = -(-(heard.num_frames - 1) // compression) + 1
        return config.input_frames(-(-rows // patch) * patch)

    def _default_frames(self, found: dict[str, list[torch.Tensor]]) -> int:
        """Frames of a video when the call does not say: the mask's clip's, or the model's."""
        window = self.transformer.config.sample_frames
        longest = max((len(clip) for clip in found.get("video", [])), default=0)
        if "mask" in found:
            return longest
        if longest >= window:
            raise ValueError(
                f"video has {longest} frames and the model makes {window}: pass num_frames to go on from it."
            )
        return window
