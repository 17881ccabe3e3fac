"""How far the mouth of a drawn face is open, from the pixels alone."""

import math

import numpy as np

from heygen_hf.data.talking_faces import MOUTH, MOUTH_INSIDE
from heygen_hf.evaluation.talking_faces.pixels import Frames, as_levels, region

# In 64ths of the frame. The mouth and wherever a nod may take it: neither nose nor hair nor shirt is in here.
_MOUTH_BOX = {"left": 25.5, "right": 38.5, "top": 37.5, "bottom": 51.5}
_CHEEKS = (
    {"left": 20.0, "right": 24.0, "top": 36.0, "bottom": 41.0},
    {"left": 40.0, "right": 44.0, "top": 36.0, "bottom": 41.0},
)
_DARK_SHARE = 0.72  # of the skin's brightness: lips, nose and neck are brighter


def mouth_opening(frames: Frames) -> np.ndarray:
    """Measure the mouth of a talking face, rendered or generated.

    The dark inside of the mouth is an area: each pixel near the mouth counts by how dark it is, from 0 where it is
    brighter than lips are to 1 where it is as dark as the inside of a rendered mouth. The skin's brightness comes
    from the cheeks of the clip itself, so that dark and light faces are measured alike.

    Args:
        frames: `(frames, 3, height, width)`, square; uint8, or floating point in [0, 1].

    Returns:
        float64 `(frames,)`: the dark area over that of a rendered mouth fully open; 0 is closed, 1 fully open.

    Raises:
        ValueError: frames of another kind.
    """
    brightness = as_levels(frames).mean(axis=1)
    size = brightness.shape[-1]
    cheeks = [brightness[(slice(None), *region(size, **cheek))].reshape(-1) for cheek in _CHEEKS]
    skin = float(np.median(np.concatenate(cheeks)))
    inside = sum(MOUTH_INSIDE) / 3
    threshold = max(_DARK_SHARE * skin, inside + 1)  # a cheek as dark as a mouth is no face; the area is then 0 or all
    box = brightness[(slice(None), *region(size, **_MOUTH_BOX))]
    darkness = np.clip((threshold - box) / (threshold - inside), 0, 1)
    full_area = math.pi * MOUTH.half_width * MOUTH.half_height * (size / 64) ** 2
    return darkness.sum(axis=(1, 2)) / full_area
