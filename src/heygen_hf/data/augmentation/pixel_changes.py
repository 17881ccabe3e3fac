"""Which frames of a clip have their pixels changed, and by how much; `pixels` does it."""

import math
from dataclasses import dataclass

import torch

from heygen_hf.data.augmentation import pixels
from heygen_hf.data.augmentation.draws import Draws
from heygen_hf.data.augmentation.options import AugmentationOptions

_SMALLEST_SIGMA = 0.1


def change_pixels(frames: torch.Tensor, options: AugmentationOptions, draws: Draws) -> torch.Tensor:
    """Turn, zoom, shear, move, colour, blur, noise and erase, as chance has it; in float32, rounded once at the end.

    Args:
        frames: uint8 `(frames, channels, height, width)`.

    Returns:
        uint8 of the same shape; the same tensor where nothing happens.

    Raises:
        ValueError: an operation on colours, and frames without three channels.
    """
    chance = _Chance(options, draws, len(frames))
    chosen = {name: rows for name in options.enabled if (rows := chance.rows(name))}
    if not chosen:
        return frames
    if frames.shape[1] != 3 and (colours := sorted({"saturation", "hue", "grayscale"} & set(chosen))):
        raise ValueError(f"{' and '.join(colours)} need 3 channels and the frames have {frames.shape[1]}; leave it out")
    changed = frames.to(torch.float32) / 255

    if "rotation" in chosen or "zoom" in chosen:
        limit = options.max_rotation_degrees
        changed = pixels.rotate_and_zoom(
            changed,
            degrees=chance.values_of_all("rotation", -limit, limit, chosen, otherwise=0.0),
            zoom=chance.values_of_all("zoom", 1.0, options.max_zoom, chosen, otherwise=1.0),
            across=chance.values_of_all("zoom", -1.0, 1.0, chosen, otherwise=0.0, which=2),
            down=chance.values_of_all("zoom", -1.0, 1.0, chosen, otherwise=0.0, which=3),
        )
    if rows := chosen.get("affine", []):
        limits = (options.max_affine_degrees, options.max_affine_shear, options.max_affine_shift)
        scaling = options.max_affine_scaling
        degrees, shear, shift_x, shift_y = (
            chance.values("affine", -limit, limit, rows, which=which)
            for which, limit in enumerate((*limits, options.max_affine_shift), start=1)
        )
        scale_x, scale_y = (chance.values("affine", 1 - scaling, 1 + scaling, rows, which=which) for which in (5, 6))
        changed[rows] = pixels.transform_affine(
            changed[rows],
            degrees=degrees,
            scale_x=scale_x,
            scale_y=scale_y,
            shear=shear,
            shift_x=shift_x,
            shift_y=shift_y,
        )
    for name, adjust, low, high in (
        ("brightness", pixels.adjust_brightness, 1 - options.brightness, 1 + options.brightness),
        ("contrast", pixels.adjust_contrast, 1 - options.contrast, 1 + options.contrast),
        ("saturation", pixels.adjust_saturation, 1 - options.saturation, 1 + options.saturation),
        ("hue", pixels.adjust_hue, -options.hue, options.hue),
        ("gaussian_blur", pixels.blur, _SMALLEST_SIGMA, options.max_gaussian_blur_sigma),
    ):
        if rows := chosen.get(name, []):
            changed[rows] = adjust(changed[rows], chance.values(name, low, high, rows))
    if rows := chosen.get("grayscale", []):  # after the blur: they commute
        changed[rows] = pixels.to_grayscale(changed[rows])
    if rows := chosen.get("gaussian_noise", []):
        changed[rows] += chance.noise(rows, tuple(frames.shape[1:]), options.max_gaussian_noise_std)
    if rows := chosen.get("random_erasing", []):
        changed[rows] = pixels.erase(changed[rows], chance.boxes(rows, *frames.shape[-2:]))
    return changed.mul_(255).round_().clamp_(0, 255).to(torch.uint8)


@dataclass(frozen=True)
class _Chance:
    """Draws for the frames of a clip: one for all of them, or one each for an operation in `per_frame`."""

    options: AugmentationOptions
    draws: Draws
    num_frames: int

    def _stream(self, name: str, row: int) -> int:
        return row + 1 if name in self.options.per_frame else 0

    def rows(self, name: str) -> list[int]:
        """The frames that the operation happens to: all or none, but for `per_frame`."""
        probability = self.options.probability_of(name)
        if name not in pixels.OPERATIONS:
            return []
        if name not in self.options.per_frame:
            return list(range(self.num_frames)) if self.draws.happens(probability, name, 0, 0) else []
        frames = range(self.num_frames)
        return [row for row in frames if self.draws.happens(probability, name, 0, self._stream(name, row))]

    def value(self, name: str, low: float, high: float, row: int, which: int = 1) -> float:
        return self.draws.uniform(low, high, name, which, self._stream(name, row))

    def values(self, name: str, low: float, high: float, rows: list[int], which: int = 1) -> torch.Tensor:
        """`(rows,)`"""
        if name not in self.options.per_frame:  # one draw for all, made once
            return torch.full((len(rows),), self.value(name, low, high, rows[0], which))
        return torch.tensor([self.value(name, low, high, row, which) for row in rows], dtype=torch.float32)

    def values_of_all(
        self,
        name: str,
        low: float,
        high: float,
        chosen: dict[str, list[int]],
        *,
        otherwise: float,
        which: int = 1,
    ) -> torch.Tensor:
        """`(frames,)`, `otherwise` where the operation does not happen."""
        values = torch.full((self.num_frames,), otherwise)
        if rows := chosen.get(name, []):
            values[rows] = self.values(name, low, high, rows, which)
        return values

    def noise(self, rows: list[int], shape: tuple[int, ...], max_std: float) -> torch.Tensor:
        """`(rows or 1, channels, height, width)`"""
        name = "gaussian_noise"
        distinct = rows if name in self.options.per_frame else rows[:1]
        fields = [
            self.draws.normal(shape, name, 2, self._stream(name, row)) * self.value(name, 0.0, max_std, row)
            for row in distinct
        ]
        return torch.stack(fields)

    def boxes(self, rows: list[int], height: int, width: int) -> list[tuple[int, int, int, int]]:
        """`(top, left, height, width)` of each row; the sides are at most 2 to 1, within the picture."""
        name = "random_erasing"
        boxes = []
        for row in rows:
            area = self.value(name, *self.options.random_erasing_area, row) * height * width
            aspect = 2.0 ** self.value(name, -1.0, 1.0, row, which=2)
            box_height = min(height, max(1, round(math.sqrt(area * aspect))))
            box_width = min(width, max(1, round(area / box_height)))
            top = self.draws.below(height - box_height + 1, name, 3, self._stream(name, row))
            left = self.draws.below(width - box_width + 1, name, 4, self._stream(name, row))
            boxes.append((top, left, box_height, box_width))
        return boxes
