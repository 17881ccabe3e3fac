"""Configuration of the convolutional video encoder."""

from huggingface_hub.dataclasses import strict
from transformers import PreTrainedConfig


@strict
class ConvVideoEncoderConfig(PreTrainedConfig):
    r"""
    Configuration of a [`ConvVideoEncoderModel`]: a stack of strided 3-D convolutions over
    `(batch, frames, channels, height, width)` pixels in [-1, 1].

    Args:
        num_channels (`int`, *optional*, defaults to 3):
            Colour channels of the input.
        hidden_sizes (`list[int]`, *optional*, defaults to `(16, 32, 64, 64)`):
            Width of each stage. A stage is one convolution, a norm and an activation.
        strides (`list[tuple[int, int]]`, *optional*, defaults to `((1, 2), (2, 2), (2, 2), (1, 1))`):
            `(time, space)` stride of each stage.
        kernel_size (`int`, *optional*, defaults to 3):
            Odd edge of the cubic kernel; the padding is half of it, so strides alone decide the sizes.
        pool_grid (`tuple[int, int, int]`, *optional*, defaults to `(1, 4, 4)`):
            `(frames, height, width)` of the grid that the last stage is averaged to. A coarse spatial grid,
            not one global average, is what lets the head tell shapes apart.
        classifier_dropout (`float`, *optional*, defaults to 0.3):
            Dropout before the classification layer.
        norm_eps (`float`, *optional*, defaults to 1e-5):
            Epsilon of the batch norms.
        norm_momentum (`float`, *optional*, defaults to 0.1):
            Weight of the newest batch in the running statistics of the batch norms.

    `hidden_size` is the width of the last stage, `num_hidden_layers` the number of stages.

    Example:
    ```python
    >>> from heygen_hf.models.conv_video_encoder import ConvVideoEncoderConfig, ConvVideoEncoderModel

    >>> model = ConvVideoEncoderModel(ConvVideoEncoderConfig(hidden_sizes=(8, 16), strides=((1, 2), (2, 2))))
    ```
    """

    model_type = "conv_video_encoder"

    num_channels: int = 3
    hidden_sizes: list[int] | tuple[int, ...] = (16, 32, 64, 64)
    strides: list[list[int]] | list[tuple[int, int]] | tuple[tuple[int, int], ...] = (
        (1, 2),
        (2, 2),
        (2, 2),
        (1, 1),
    )
    kernel_size: int = 3
    pool_grid: list[int] | tuple[int, int, int] = (1, 4, 4)
    classifier_dropout: float | int = 0.3
    norm_eps: float = 1e-5
    norm_momentum: float = 0.1

    def __post_init__(self, **kwargs):
        # Lists throughout, so that a configuration read back from JSON equals the one that was saved.
        self.hidden_sizes = list(self.hidden_sizes)
        self.strides = [list(stride) for stride in self.strides]
        self.pool_grid = list(self.pool_grid)
        super().__post_init__(**kwargs)

    @property
    def hidden_size(self) -> int:
        return self.hidden_sizes[-1]

    @property
    def num_hidden_layers(self) -> int:
        return len(self.hidden_sizes)

    def validate_architecture(self):
        """Checks across fields; part of `@strict` validation."""
        if not self.hidden_sizes or min(self.hidden_sizes) < 1:
            raise ValueError(f"hidden_sizes={self.hidden_sizes} must hold one positive width a stage.")
        if len(self.strides) != len(self.hidden_sizes):
            raise ValueError(
                f"strides={self.strides} has {len(self.strides)} entries for {self.num_hidden_layers} "
                "stages: give one (time, space) pair for each of hidden_sizes."
            )
        if any(len(stride) != 2 or min(stride) < 1 for stride in self.strides):
            raise ValueError(f"strides={self.strides} must be (time, space) pairs of positive integers.")
        if self.kernel_size < 1 or self.kernel_size % 2 == 0:
            raise ValueError(f"kernel_size={self.kernel_size} must be odd and positive, such as 3.")
        if len(self.pool_grid) != 3 or min(self.pool_grid) < 1:
            raise ValueError(f"pool_grid={self.pool_grid} must be three positive integers: frames, height, width.")
        if not 0 <= self.classifier_dropout < 1:
            raise ValueError(f"classifier_dropout={self.classifier_dropout} must be in [0, 1).")


__all__ = ["ConvVideoEncoderConfig"]
