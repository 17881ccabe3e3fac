"""Configuration of the 3-D patch discriminator."""

from typing import Literal

from huggingface_hub.dataclasses import strict
from transformers import PreTrainedConfig


@strict
class VideoDiscriminatorConfig(PreTrainedConfig):
    r"""
    Configuration of a [`VideoDiscriminatorModel`]: strided 3-D convolutions that call each patch of a clip
    `(batch, frames, channels, height, width)` in [-1, 1] real or generated.

    Args:
        num_channels (`int`, *optional*, defaults to 3):
            Colour channels of the input.
        hidden_sizes (`list[int]`, *optional*, defaults to `(64, 128, 256)`):
            Width of each stage. A stage is one convolution, a norm and a leaky ReLU.
        strides (`list[tuple[int, int]]`, *optional*, defaults to `((1, 2), (2, 2), (2, 2))`):
            `(time, space)` stride of each stage.
        kernel_size (`tuple[int, int]`, *optional*, defaults to `(3, 4)`):
            `(time, space)` edge of the stages' kernels.
        norm_type (`"group"`, `"spectral"` or `"none"`, *optional*, defaults to `"group"`):
            `group` norms each stage but the first by the clip's own statistics; `spectral` divides every
            convolution by its largest singular value (Miyato et al. 2018, arXiv:1802.05957), which goes well with
            the hinge loss; `none` leaves them as they are, for a gradient penalty.
        num_groups (`int`, *optional*, defaults to 8):
            Groups of the group norm; divides every width but the first.
        norm_eps (`float`, *optional*, defaults to 1e-5):
            Epsilon of the group norms.
        negative_slope (`float`, *optional*, defaults to 0.2):
            Slope of the leaky ReLU below zero.
        num_scales (`int`, *optional*, defaults to 1):
            How many discriminators look at the clip, each at a size reduced once more.
        scale_factor (`tuple[int, int]`, *optional*, defaults to `(1, 2)`):
            `(time, space)` reduction from one scale to the next, by averaging.

    `hidden_size` is the width of the last stage, `num_hidden_layers` the number of stages in all scales,
    `minimum_clip_size` the smallest `(frames, height, width)` that leaves a patch at every scale.

    Example:
    ```python
    >>> from heygen_hf.models.video_discriminator import VideoDiscriminatorConfig, VideoDiscriminatorModel

    >>> model = VideoDiscriminatorModel(VideoDiscriminatorConfig(norm_type="spectral", num_scales=2))
    ```
    """

    model_type = "video_discriminator"

    num_channels: int = 3
    hidden_sizes: list[int] | tuple[int, ...] = (64, 128, 256)
    strides: list[list[int]] | list[tuple[int, int]] | tuple[tuple[int, int], ...] = ((1, 2), (2, 2), (2, 2))
    kernel_size: list[int] | tuple[int, int] = (3, 4)
    norm_type: Literal["group", "spectral", "none"] = "group"
    num_groups: int = 8
    norm_eps: float = 1e-5
    negative_slope: float | int = 0.2
    num_scales: int = 1
    scale_factor: list[int] | tuple[int, int] = (1, 2)

    def __post_init__(self, **kwargs):
        # Lists throughout, so that a configuration read back from JSON equals the one that was saved.
        self.hidden_sizes = list(self.hidden_sizes)
        self.strides = [list(stride) for stride in self.strides]
        self.kernel_size = list(self.kernel_size)
        self.scale_factor = list(self.scale_factor)
        super().__post_init__(**kwargs)

    @property
    def hidden_size(self) -> int:
        return self.hidden_sizes[-1]

    @property
    def num_hidden_layers(self) -> int:
        return len(self.hidden_sizes) * self.num_scales

    @property
    def minimum_clip_size(self) -> tuple[int, int, int]:
        time, space = (self._minimum(axis) for axis in (0, 1))
        return time, space, space

    def _minimum(self, axis: int) -> int:
        """Smallest length along time (0) or space (1), worked back from one patch at the coarsest scale."""
        length, kernel = 1, self.kernel_size[axis]
        padding = (kernel - 1) // 2
        for stride in reversed(self.strides):
            # A convolution gives (n + 2 padding - kernel) // stride + 1.
            length = max(1, (length - 1) * stride[axis] + kernel - 2 * padding)
        return length * self.scale_factor[axis] ** (self.num_scales - 1)

    def validate_architecture(self):
        """Checks across fields; part of `@strict` validation."""
        if not self.hidden_sizes or min(self.hidden_sizes) < 1:
            raise ValueError(f"hidden_sizes={self.hidden_sizes} must hold one positive width a stage.")
        if len(self.strides) != len(self.hidden_sizes):
            raise ValueError(
                f"strides={self.strides} has {len(self.strides)} entries for {len(self.hidden_sizes)} "
                "stages: give one (time, space) pair for each of hidden_sizes."
            )
        if any(len(stride) != 2 or min(stride) < 1 for stride in self.strides):
            raise ValueError(f"strides={self.strides} must be (time, space) pairs of positive integers.")
        for name in ("kernel_size", "scale_factor"):
            value = getattr(self, name)
            if len(value) != 2 or min(value) < 1:
                raise ValueError(f"{name}={value} must be a (time, space) pair of positive integers.")
        if self.num_scales < 1:
            raise ValueError(f"num_scales={self.num_scales} must be at least 1.")
        if self.norm_type == "group" and any(size % self.num_groups for size in self.hidden_sizes[1:]):
            raise ValueError(
                f"num_groups={self.num_groups} does not divide hidden_sizes={self.hidden_sizes[1:]} after the first: "
                "choose a divisor, or norm_type='spectral'."
            )


__all__ = ["VideoDiscriminatorConfig"]
