"""Draw a face, frame by frame: smooth shapes over one another, in whole frames of numpy.

Lengths are in 64ths of the frame, whatever its size; y grows downwards. `T` frames, `H` rows, `W` columns.
"""

from typing import NamedTuple

import numpy as np

from heygen_hf.data.talking_faces.identities import EYES, FACE_SHAPES, HAIRS, SKINS, Identity

UNITS = 64.0  # of the frame's height and width


class Mouth(NamedTuple):
    """Where a mouth is, and how large its dark inside is when it is fully open."""

    x: float = 32.0
    y: float = 43.0
    half_width: float = 5.5
    half_height: float = 5.0


MOUTH = Mouth()
MOUTH_INSIDE = (45, 5, 12)
"""RGB; darker than any lip or skin, which is how a mouth can be measured."""

BACKGROUND = (168, 190, 208)
MAX_NOD = 2.5  # how far down a nod takes the head

_SHIRT = (70, 84, 120)
_EYE_WHITE = (245, 245, 242)
_PUPIL = (15, 15, 18)
_HEAD_X, _HEAD_Y = 32.0, 33.0
_LIP = 1.3  # thickness
_EYE_X, _EYE_Y = 7.0, 29.0  # either side of the middle


def draw_face(
    identity: Identity,
    *,
    openings: np.ndarray,
    eyes_open: np.ndarray | None = None,
    nods: np.ndarray | None = None,
    image_size: int = 64,
) -> np.ndarray:
    """Draw one clip.

    Args:
        identity: what the face looks like.
        openings: `(frames,)` in [0, 1], of the mouth: the height of its inside.
        eyes_open: `(frames,)` in [0, 1]; always open if None.
        nods: `(frames,)`, how far down the head is, in 64ths of the frame; 0 if None.
        image_size: height and width in pixels.

    Returns:
        uint8 `(frames, channels, height, width)`.
    """
    openings = np.asarray(openings, dtype=np.float32)
    eyes = np.ones_like(openings) if eyes_open is None else np.asarray(eyes_open, dtype=np.float32)
    nod = np.zeros_like(openings) if nods is None else np.asarray(nods, dtype=np.float32)
    canvas = _Canvas(len(openings), image_size)
    still, skin = np.zeros_like(nod), np.array(SKINS[identity.skin], dtype=np.float32)
    hair = np.array(HAIRS[identity.hair], dtype=np.float32)
    half_width, half_height, exponent = FACE_SHAPES[identity.face_shape]

    # 1. behind the head
    if identity.hair_style == "long":
        canvas.ellipse(hair * 0.9, 32, 37 + nod, half_width + 4.5, half_height + 3)
    canvas.ellipse(_SHIRT, 32, 70 + still, 25, 13)
    canvas.ellipse(skin * 0.88, 32, 51 + 0.5 * nod, 7, 11, exponent=4)
    # 2. the head; hair is what lies within a larger outline and above a hairline
    canvas.ellipse(skin, _HEAD_X, _HEAD_Y + nod, half_width, half_height, exponent=exponent)
    hairline = {"short": 20.0, "long": 18.5, "fringe": 24.5}[identity.hair_style]
    canvas.ellipse(
        hair, _HEAD_X, _HEAD_Y - 1 + nod, half_width + 1.5, half_height + 1, exponent=exponent, above=hairline + nod
    )
    # 3. eyes and nose
    for side in (-1, 1):
        x, y = 32 + side * _EYE_X, _EYE_Y + nod
        canvas.ellipse(hair * 0.7, x, y - 5.2, 3.8, 0.8)
        canvas.ellipse(skin * 0.6, x, y, 3.9, 0.6)  # the closed lid, hidden by the open eye
        canvas.ellipse(_EYE_WHITE, x, y, 3.7, 2.7 * eyes)
        canvas.ellipse(EYES[identity.eyes], x, y, 2.1, np.minimum(2.1, 2.7 * eyes))
        canvas.ellipse(_PUPIL, x, y, 0.9, np.minimum(0.9, 2.7 * eyes))
    canvas.ellipse(skin * 0.82, 32, 35.5 + nod, 1.8, 1.3)
    # 4. the mouth
    lips = 0.72 * skin + np.array((38, 4, 10), dtype=np.float32)
    height = MOUTH.half_height * openings
    canvas.ellipse(lips, MOUTH.x, MOUTH.y + nod, MOUTH.half_width + _LIP, height + _LIP)
    canvas.ellipse(MOUTH_INSIDE, MOUTH.x, MOUTH.y + nod, MOUTH.half_width, height)
    return canvas.frames()


class _Canvas:
    def __init__(self, num_frames: int, image_size: int) -> None:
        self._pixels = np.empty((num_frames, image_size, image_size, 3), dtype=np.float32)
        self._pixels[:] = BACKGROUND
        self._scale = image_size / UNITS
        centres = (np.arange(image_size, dtype=np.float32) + 0.5) / np.float32(self._scale)
        self._x, self._y = centres[None, None, :], centres[None, :, None]

    def ellipse(
        self,
        colour: np.ndarray | tuple[int, int, int],
        x: float,
        y: np.ndarray,
        half_width: float,
        half_height: np.ndarray | float,
        *,
        exponent: float = 2.0,
        above: np.ndarray | None = None,
    ) -> None:
        """Paint one, or the part of it above a line; a flat one fades away as its height goes to 0."""
        height = np.broadcast_to(np.asarray(half_height, dtype=np.float32), y.shape)[:, None, None]
        y = y[:, None, None]
        seen = np.minimum(1, 2 * height * self._scale)
        height = np.maximum(height, 0.05)
        # only where it can be seen; a pixel more for the soft edge
        columns = self._span(x - half_width, x + half_width)
        rows = self._span(float((y - height).min()), float((y + height).max()))
        pixels, pixel_x, pixel_y = self._pixels[:, rows, columns], self._x[..., columns], self._y[:, rows]

        across, down = abs(pixel_x - x) / half_width, abs(pixel_y - y) / height
        radius = np.hypot(across, down) if exponent == 2 else (across**exponent + down**exponent) ** (1 / exponent)
        radius = np.maximum(radius, 1e-3)  # 1 on the outline
        steep_x, steep_y = across / radius, down / radius
        if exponent != 2:
            steep_x, steep_y = steep_x ** (exponent - 1), steep_y ** (exponent - 1)
        # to first order: how far radius is from 1, over how fast it changes there
        slope = np.maximum(np.hypot(steep_x / half_width, steep_y / height), 1e-6)
        covered = np.clip(0.5 - (radius - 1) / slope * self._scale, 0, 1) * seen
        if above is not None:
            covered = covered * np.clip(0.5 + (above[:, None, None] - pixel_y) * self._scale, 0, 1)
        pixels += covered[..., None] * (np.asarray(colour, dtype=np.float32) - pixels)

    def _span(self, first: float, last: float) -> slice:
        """The pixels between two places, in 64ths of the frame."""
        size = self._pixels.shape[1]
        return slice(min(max(int(first * self._scale) - 1, 0), size), min(max(int(last * self._scale) + 2, 0), size))

    def frames(self) -> np.ndarray:
        return np.clip(np.rint(self._pixels), 0, 255).astype(np.uint8).transpose(0, 3, 1, 2)
