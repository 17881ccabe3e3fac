"""What is done to the pixels of a clip: torch's or kornia's functions with the numbers given, nothing drawn here.

Frames are float32 `(frames, channels, height, width)` in [0, 1]; a parameter is `(frames,)`, one value a frame.
"""

import math

import torch
from torch.nn import functional as F

from heygen_hf._optional import require

BY_KORNIA = ("brightness", "contrast", "saturation", "hue", "grayscale", "gaussian_blur")
OPERATIONS = ("rotation", "zoom", "affine", *BY_KORNIA, "gaussian_noise", "random_erasing")


def rotate_and_zoom(
    frames: torch.Tensor, *, degrees: torch.Tensor, zoom: torch.Tensor, across: torch.Tensor, down: torch.Tensor
) -> torch.Tensor:
    """Turn counterclockwise and cut out a part, at the size that was; no corner is left empty.

    A turned frame is enlarged until it covers the picture, so that a model learns no black corners. Of a zoom z,
    1/z of the width and height remains, at a place between the left or top (`across`, `down` = -1) and the right
    or bottom (1).
    """
    height, width = frames.shape[-2:]
    # Corner pixels are `width - 1` apart, and 1 keeps a frame of one pixel from dividing by 0.
    extent_x, extent_y = max(1, width - 1), max(1, height - 1)
    radians = degrees * (math.pi / 180)
    sine, cosine = torch.sin(radians), torch.cos(radians)
    cover_x = cosine.abs() + sine.abs() * (extent_y / extent_x)
    cover_y = cosine.abs() + sine.abs() * (extent_x / extent_y)
    scale = zoom * torch.maximum(cover_x, cover_y)

    # out = scale * R (in - centre) + centre - offset, in pixels from the centre with y downwards; solved for `in`
    offset_x = across * (zoom - 1) * ((width - 1) / 2)
    offset_y = down * (zoom - 1) * ((height - 1) / 2)
    cosine, sine = cosine / scale, sine / scale
    matrix = _rows(
        [cosine, -sine, cosine * offset_x - sine * offset_y],
        [sine, cosine, sine * offset_x + cosine * offset_y],
    )
    return _sample(frames, matrix)


def transform_affine(
    frames: torch.Tensor,
    *,
    degrees: torch.Tensor,
    scale_x: torch.Tensor,
    scale_y: torch.Tensor,
    shear: torch.Tensor,
    shift_x: torch.Tensor,
    shift_y: torch.Tensor,
) -> torch.Tensor:
    """Turn counterclockwise, enlarge, shear and move; pixels of the border fill what comes into view.

    `scale_x` and `scale_y` are factors, `shear` is how far a row one pixel further down is pushed to the right, and
    the shifts are shares of width and height.
    """
    height, width = frames.shape[-2:]
    radians = degrees * (math.pi / 180)
    sine, cosine = torch.sin(radians), torch.cos(radians)
    # out = R S (in - centre) + centre + shift with S = [[scale_x, shear], [0, scale_y]]; solved for `in`, from centres
    back_x, back_y = -shift_x * width, -shift_y * height
    inverse_x, inverse_y, inverse_shear = 1 / scale_x, 1 / scale_y, -shear / (scale_x * scale_y)
    a = inverse_x * cosine + inverse_shear * sine
    b = -inverse_x * sine + inverse_shear * cosine
    c, d = inverse_y * sine, inverse_y * cosine
    return _sample(frames, _rows([a, b, a * back_x + b * back_y], [c, d, c * back_x + d * back_y]))


def _rows(*rows: list[torch.Tensor]) -> torch.Tensor:
    """`(frames, rows, columns)` from the entries, `(frames,)` each."""
    return torch.stack([torch.stack(row, dim=-1) for row in rows], dim=-2)


def _sample(frames: torch.Tensor, matrix: torch.Tensor) -> torch.Tensor:
    """Read each pixel where `matrix`, `(frames, 2, 3)`, says: pixels from the centre, y downwards."""
    height, width = frames.shape[-2:]
    from_centre = torch.stack(
        [
            (torch.arange(width) - (width - 1) / 2).expand(height, width),
            (torch.arange(height) - (height - 1) / 2)[:, None].expand(height, width),
            torch.ones(height, width),
        ],
        dim=-1,
    )
    # torch counts from -1 to 1 between the centres of the corner pixels
    half = torch.tensor([max(1, width - 1) / 2, max(1, height - 1) / 2])
    count, together = len(frames), frames
    if (matrix == matrix[:1]).all():  # one movement for all frames, the usual case: they pass as channels of one
        count, together = 1, frames.flatten(0, 1)[None]
    grid = (from_centre.view(1, -1, 3) @ matrix[:count].mT / half).view(count, height, width, 2)
    moved = F.grid_sample(together, grid, mode="bilinear", padding_mode="border", align_corners=True)
    return moved.view_as(frames)


def adjust_brightness(frames: torch.Tensor, factor: torch.Tensor) -> torch.Tensor:
    """Multiply; 1 changes nothing and 0 is black."""
    return require("kornia").enhance.adjust_brightness_accumulative(frames, factor)


def adjust_contrast(frames: torch.Tensor, factor: torch.Tensor) -> torch.Tensor:
    """Away from the mean grey of each frame; 1 changes nothing and 0 is that grey."""
    return require("kornia").enhance.adjust_contrast_with_mean_subtraction(frames, factor)


def adjust_saturation(frames: torch.Tensor, factor: torch.Tensor) -> torch.Tensor:
    """Away from grey; 1 changes nothing and 0 is grey."""
    return require("kornia").enhance.adjust_saturation_with_gray_subtraction(frames, factor)


def adjust_hue(frames: torch.Tensor, turns: torch.Tensor) -> torch.Tensor:
    """Turn the colour circle; 0 changes nothing and 0.5 gives the opposite colours."""
    return require("kornia").enhance.adjust_hue(frames, turns * (2 * math.pi)).clamp_(0, 1)


def to_grayscale(frames: torch.Tensor) -> torch.Tensor:
    """Three equal channels."""
    return require("kornia").color.rgb_to_grayscale(frames).expand_as(frames)


def blur(frames: torch.Tensor, sigma_pixels: torch.Tensor) -> torch.Tensor:
    """A Gaussian of this standard deviation, cut at three of them or at the size of the frame."""
    gaussian_blur2d = require("kornia").filters.gaussian_blur2d
    # reflection at the border needs a kernel that reaches less far than the frame
    reach = min(math.ceil(3 * float(sigma_pixels.max())), min(frames.shape[-2:]) - 1)
    if reach < 1:
        return frames
    sigma = sigma_pixels[:, None].expand(-1, 2).contiguous()
    return gaussian_blur2d(frames, (2 * reach + 1, 2 * reach + 1), sigma)


def erase(frames: torch.Tensor, boxes: list[tuple[int, int, int, int]]) -> torch.Tensor:
    """Black out `(top, left, height, width)` of each frame."""
    frames = frames.clone()
    for frame, (top, left, height, width) in zip(frames, boxes, strict=True):
        frame[:, top : top + height, left : left + width] = 0
    return frames
