"""What a trainer asks of a generator's configuration, for a published transformer of diffusers."""

from huggingface_hub.dataclasses import strict
from transformers import PreTrainedConfig

from heygen_hf.layers.patches import patch_grid


@strict
class PretrainedGeneratorConfig(PreTrainedConfig):
    """Configuration of a [`PretrainedVideoGenerator`], made from a pipeline and never saved as a model's own.

    Args:
        family: a name in `FAMILIES`.
        base, base_revision: the pipeline's folder or Hub name, and its revision.
        num_channels, patch_size: of the latents and, in latents, of a token.
        frames_per_token: latent frames of a token where they are filled up, see `GeneratorFamily.whole_patches`.
        temporal_compression, spatial_compression: of the autoencoder.
        condition_dropout: share of training samples whose caption is replaced by an empty one.
        given_frame_patterns: set by the trainer, see [`VideoTransformerConfig`].
    """

    model_type = "heygen_pretrained_generator"

    family: str = "wan"
    base: str = ""
    base_revision: str | None = None
    num_channels: int = 16
    patch_size: list[int] | tuple[int, ...] = (1, 2, 2)
    frames_per_token: int | None = None
    temporal_compression: int = 4
    spatial_compression: int = 8
    condition_dropout: float | int = 0.0
    given_frame_patterns: list[str] | None = None

    # What a trainer asks of any generator's configuration.
    takes_intervals = False
    conditions = ("caption",)
    attention_block = None

    def validate_architecture(self) -> None:
        """Checks of values; part of `@strict`'s validation."""
        if not 0 <= self.condition_dropout < 1:
            raise ValueError(f"condition_dropout={self.condition_dropout} must lie in [0, 1).")

    def count_tokens(self, frames: int, height: int, width: int) -> int:
        """Video tokens of a clip of latents.

        Raises:
            ValueError: a size its patch does not divide.
        """
        grid = patch_grid(frames, height, width, self.patch_size)
        pairs = -(-grid[0] * self.patch_size[0] // (self.frames_per_token or self.patch_size[0]))
        return pairs * grid[1] * grid[2]
