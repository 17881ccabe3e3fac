"""Random numbers by (seed, operation, frame): nothing global is read or moved."""

from dataclasses import dataclass

import torch

from heygen_hf.processing import draw_below, fold_seed

# Position = stream number. Append only: a new operation must not change what the others draw.
_STREAMS = (
    "horizontal_flip",
    "vertical_flip",
    "rotation",
    "zoom",
    "brightness",
    "contrast",
    "saturation",
    "hue",
    "grayscale",
    "gaussian_blur",
    "gaussian_noise",
    "random_erasing",
    "reverse",
    "speed",
    "frame_drop",
    "temporal_jitter",
    "affine",
)
_AUGMENTATION_STREAM = 3  # the same seed also decides the frames (1) and the crop (2)


@dataclass(frozen=True)
class Draws:
    """What chance decides for one clip; `parts` tell the draws of one operation apart (coin, frame, value).

    Attributes:
        seed: of the clip.
    """

    seed: int

    def _parts(self, operation: str, parts: tuple[int, ...]) -> tuple[int, ...]:
        return (self.seed, _AUGMENTATION_STREAM, _STREAMS.index(operation), *parts)

    def happens(self, probability: float, operation: str, *parts: int) -> bool:
        """True for a `probability` share of seeds; never at 0 and always at 1."""
        return fold_seed(*self._parts(operation, parts)) < probability * 2.0**64

    def uniform(self, low: float, high: float, operation: str, *parts: int) -> float:
        """A number in `[low, high]`."""
        return low + (high - low) * (fold_seed(*self._parts(operation, parts)) / 2.0**64)

    def below(self, bound: int, operation: str, *parts: int) -> int:
        """A whole number in `[0, bound)`."""
        return draw_below(bound, *self._parts(operation, parts))

    def normal(self, shape: tuple[int, ...], operation: str, *parts: int) -> torch.Tensor:
        """Standard normal float32 values from a generator of their own."""
        generator = torch.Generator().manual_seed(fold_seed(*self._parts(operation, parts)) >> 1)
        return torch.randn(shape, generator=generator)
