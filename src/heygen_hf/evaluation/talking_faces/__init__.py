"""Measures of talking faces without any training: does the mouth follow the speech, is it still the same face?"""

from heygen_hf.data.talking_faces import loudness_per_frame
from heygen_hf.evaluation.talking_faces.face_identity import IdentityMatches, identity_distances, match_identities
from heygen_hf.evaluation.talking_faces.mouth import mouth_opening
from heygen_hf.evaluation.talking_faces.speech_correlation import (
    SpeechCorrelation,
    correlation,
    speech_correlation,
)

__all__ = [
    "IdentityMatches",
    "SpeechCorrelation",
    "correlation",
    "identity_distances",
    "loudness_per_frame",
    "match_identities",
    "mouth_opening",
    "speech_correlation",
]
