"""An embedded data set: drawn faces that speak, their mouths open as the speech is loud, as a folder of clips."""

from heygen_hf.data.talking_faces.drawing import MOUTH, MOUTH_INSIDE, draw_face
from heygen_hf.data.talking_faces.identities import (
    ALL_IDENTITIES,
    EYES,
    FACE_SHAPES,
    HAIR_STYLES,
    HAIRS,
    IDENTITY_COLUMNS,
    SKINS,
    Identity,
    split_identities,
)
from heygen_hf.data.talking_faces.loudness import FULL_LOUDNESS, loudness_per_frame, mouth_openings, speech_level
from heygen_hf.data.talking_faces.render import render_talking_faces
from heygen_hf.data.talking_faces.synthetic_speech import synthesize_speech

__all__ = [
    "ALL_IDENTITIES",
    "EYES",
    "FACE_SHAPES",
    "FULL_LOUDNESS",
    "HAIRS",
    "HAIR_STYLES",
    "IDENTITY_COLUMNS",
    "MOUTH",
    "MOUTH_INSIDE",
    "SKINS",
    "Identity",
    "draw_face",
    "loudness_per_frame",
    "mouth_openings",
    "render_talking_faces",
    "speech_level",
    "split_identities",
    "synthesize_speech",
]
