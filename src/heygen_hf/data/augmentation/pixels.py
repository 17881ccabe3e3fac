"""What is done to the pixels of a clip: kornia's functions with the numbers given, nothing drawn here.

Frames are float32 `(frames, channels, height, width)` in [0, 1]; a parameter is `(frames,)`, one value a frame.
"""

import math

import torch

from heygen_hf._optional import require

BY_KORNIA = ("rotation", "zoom", "brightness", "contrast", "saturation", "hue", "grayscale", "gaussian_blur")
OPERATIONS = (*BY_KORNIA, "gaussian_noise", "random_erasing")


def rotate_and_zoom(
    frames: torch.Tensor, *, degrees: torch.Tensor, zoom: torch.Tensor, across: torch.Tensor, down: torch.Tensor
) -> torch.Tensor:
    """Turn counterclockwise and cut out a part, at the size that was; no corner is left empty.

    A turned frame is enlarged until it covers the picture, so that a model learns no black corners. Of a zoom z,
    1/z of the width and height remains, at a place between the left or top (`across`, `down` = -1) and the right
    or bottom (1).
    """
    warp_affine = require("kornia").geometry.transform.warp_affine
    height, width = frames.shape[-2:]
    # Corner pixels are `width - 1` apart, and 1 keeps a frame of one pixel from dividing by 0.
    extent_x, extent_y = max(1, width - 1), max(1, height - 1)
    radians = degrees * (math.pi / 180)
    sine, cosine = torch.sin(radians), torch.cos(radians)
    cover_x = cosine.abs() + sine.abs() * (extent_y / extent_x)
    cover_y = cosine.abs() + sine.abs() * (extent_x / extent_y)
    scale = zoom * torch.maximum(cover_x, cover_y)

    # out = scale * R (in - centre) + centre - zoom * offset, in pixels with y downwards
    centre_x, centre_y = (width - 1) / 2, (height - 1) / 2
    offset_x = across * (1 - 1 / zoom) * (centre_x * zoom)
    offset_y = down * (1 - 1 / zoom) * (centre_y * zoom)
    cosine, sine = scale * cosine, scale * sine
    matrix = torch.stack(
        [
            torch.stack([cosine, sine, centre_x - cosine * centre_x - sine * centre_y - offset_x], dim=-1),
            torch.stack([-sine, cosine, centre_y + sine * centre_x - cosine * centre_y - offset_y], dim=-1),
        ],
        dim=-2,
    )
    return warp_affine(frames, matrix, (height, width), mode="bilinear", padding_mode="border", align_corners=True)


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
