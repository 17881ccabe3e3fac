"""Configuration of the convolutional video encoder."""

import math
from typing import Literal

from huggingface_hub.dataclasses import strict
from transformers import PreTrainedConfig


@strict
class ConvVideoEncoderConfig(PreTrainedConfig):
    r"""
    Configuration of a [`ConvVideoEncoderModel`]: a stack of strided 3-D convolutions and residual blocks over
    `(batch, frames, channels, height, width)` pixels in [-1, 1], of any clip size from `min_clip_size`.

    Args:
        num_channels (`int`, *optional*, defaults to 3):
            Colour channels of the input.
        hidden_sizes (`list[int]`, *optional*, defaults to `(16, 32, 64, 64)`):
            Width of each stage. A stage is one convolution, a norm and an activation, then its residual blocks.
        strides (`list[tuple[int, int]]`, *optional*, defaults to `((1, 2), (2, 2), (2, 2), (1, 1))`):
            `(time, space)` stride of each stage, taken by its first convolution.
        depths (`int` or `list[int]`, *optional*, defaults to 0):
            Residual blocks of each stage, or of every stage alike. A block is two convolutions of the stage's width
            beside a shortcut (He et al. 2015, arXiv:1512.03385).
        convolution (`"full"` or `"factorized"`, *optional*, defaults to `"full"`):
            `"full"`: cubic kernels. `"factorized"`: "(2+1)-D", a convolution over space, a norm and an activation,
            then a convolution over time (Tran et al. 2018, arXiv:1711.11248). The width between the two is chosen
            so that both forms have about the same number of parameters.
        kernel_size (`int`, *optional*, defaults to 3):
            Odd edge of the cubic kernel; the padding is half of it, so strides alone decide the sizes.
        squeeze_excitation (`bool`, *optional*, defaults to `False`):
            Each residual block weighs its channels by what it sees in the whole clip (Hu et al. 2018,
            arXiv:1709.01507). Needs `depths` of one or more somewhere.
        squeeze_reduction (`int`, *optional*, defaults to 16):
            How many times narrower the squeezed description of a clip is than the stage (4 channels at least).
        pooling (`"mean"`, `"max"` or `"attention"`, *optional*, defaults to `"mean"`):
            What `pooler_output` is made with. Mean and maximum are taken in each cell of `pool_grid`; `"attention"`
            is one learned weighting over all places and frames of the clip, without a grid.
        pool_grid (`tuple[int, int, int]`, *optional*, defaults to `(1, 4, 4)`):
            `(frames, height, width)` of the grid that the last stage is pooled to, `(1, 1, 1)` for the whole clip at
            once. A coarse spatial grid, not one global average, is what lets the head tell shapes apart.
        output_format (`"map"` or `"tokens"`, *optional*, defaults to `"map"`):
            Layout of `last_hidden_state`: `(batch, hidden_size, frames, height, width)`, or a token for each place,
            frame after frame and row after row, `(batch, tokens, hidden_size)`. Multimodal fusion reads both; only
            a map tells it where each token was.
        min_clip_size (`tuple[int, int, int]`, *optional*, defaults to `(1, 1, 1)`):
            Smallest `(frames, height, width)` accepted. Padding lets the default take anything; below
            `full_grid_clip_size` cells of the grid repeat each other, so set it to that to refuse such clips.
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

    >>> # after R(2+1)D-18: a stem, then four stages, each a convolution and two residual blocks
    >>> config = ConvVideoEncoderConfig(
    ...     hidden_sizes=(64, 64, 128, 256, 512),
    ...     strides=((1, 2), (1, 1), (2, 2), (2, 2), (2, 2)),
    ...     depths=(0, 2, 2, 2, 2),
    ...     convolution="factorized",
    ...     pool_grid=(1, 1, 1),
    ... )
    >>> model = ConvVideoEncoderModel(config)
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
    depths: int | list[int] | tuple[int, ...] = 0
    convolution: Literal["full", "factorized"] = "full"
    kernel_size: int = 3
    squeeze_excitation: bool = False
    squeeze_reduction: int = 16
    pooling: Literal["mean", "max", "attention"] = "mean"
    pool_grid: list[int] | tuple[int, int, int] = (1, 4, 4)
    output_format: Literal["map", "tokens"] = "map"
    min_clip_size: list[int] | tuple[int, int, int] = (1, 1, 1)
    classifier_dropout: float | int = 0.3
    norm_eps: float = 1e-5
    norm_momentum: float = 0.1

    def __post_init__(self, **kwargs):
        # Lists throughout, so that a configuration read back from JSON equals the one that was saved.
        self.hidden_sizes = list(self.hidden_sizes)
        self.strides = [list(stride) for stride in self.strides]
        self.depths = self.depths if isinstance(self.depths, int) else list(self.depths)
        self.pool_grid = list(self.pool_grid)
        self.min_clip_size = list(self.min_clip_size)
        super().__post_init__(**kwargs)

    @property
    def hidden_size(self) -> int:
        return self.hidden_sizes[-1]

    @property
    def num_hidden_layers(self) -> int:
        return len(self.hidden_sizes)

    @property
    def stage_depths(self) -> list[int]:
        """`depths`, one number a stage."""
        return [self.depths] * self.num_hidden_layers if isinstance(self.depths, int) else list(self.depths)

    @property
    def pooled_size(self) -> int:
        """Width of `pooler_output`."""
        return self.hidden_size * (1 if self.pooling == "attention" else math.prod(self.pool_grid))

    @property
    def full_grid_clip_size(self) -> tuple[int, int, int]:
        """The smallest `(frames, height, width)` whose feature map has a place for each cell of `pool_grid`."""
        # A stage makes n places into (n - 1) // stride + 1, so all of them into (n - 1) // product + 1.
        time, space = (math.prod(stride[axis] for stride in self.strides) for axis in (0, 1))
        frames, height, width = (1, 1, 1) if self.pooling == "attention" else self.pool_grid
        return (frames - 1) * time + 1, (height - 1) * space + 1, (width - 1) * space + 1

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
        if len(self.stage_depths) != self.num_hidden_layers or min(self.stage_depths) < 0:
            raise ValueError(
                f"depths={self.depths} must be one number of residual blocks, 0 or more, or one for each of the "
                f"{self.num_hidden_layers} stages of hidden_sizes."
            )
        if self.kernel_size < 1 or self.kernel_size % 2 == 0:
            raise ValueError(f"kernel_size={self.kernel_size} must be odd and positive, such as 3.")
        if self.squeeze_excitation and not any(self.stage_depths):
            raise ValueError(
                f"squeeze_excitation=True has no residual block to work in with depths={self.depths}: "
                "set depths to 1 or more."
            )
        if self.squeeze_reduction < 1:
            raise ValueError(f"squeeze_reduction={self.squeeze_reduction} must be a positive integer, such as 16.")
        if len(self.pool_grid) != 3 or min(self.pool_grid) < 1:
            raise ValueError(f"pool_grid={self.pool_grid} must be three positive integers: frames, height, width.")
        if len(self.min_clip_size) != 3 or min(self.min_clip_size) < 1:
            raise ValueError(
                f"min_clip_size={self.min_clip_size} must be three positive integers: frames, height, width."
            )
        if not 0 <= self.classifier_dropout < 1:
            raise ValueError(f"classifier_dropout={self.classifier_dropout} must be in [0, 1).")


__all__ = ["ConvVideoEncoderConfig"]
