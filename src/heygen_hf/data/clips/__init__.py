"""Clips as data sets, prepared or streamed, and the batches made of them."""

from heygen_hf.data.clips.collators import VideoTextCollator, class_names
from heygen_hf.data.clips.controls import ClipControls, attach_controls
from heygen_hf.data.clips.dataset import VideoClipDataset
from heygen_hf.data.clips.encoded import EncodedClips
from heygen_hf.data.clips.finishing import ClipOptions
from heygen_hf.data.clips.mixed import ClipsBeside, MixedClips
from heygen_hf.data.clips.prepare import prepare_clips
from heygen_hf.data.clips.repeated import RepeatedClips
from heygen_hf.data.clips.sounds import ClipSounds, prepare_sounds
from heygen_hf.data.clips.streamed import StreamedClipDataset
from heygen_hf.data.clips.subset import ClipSubset
from heygen_hf.data.clips.text_targets import AnswerNumbers, TextTargetCollator, TextTargets

__all__ = [
    "AnswerNumbers",
    "ClipControls",
    "ClipOptions",
    "ClipSounds",
    "ClipSubset",
    "ClipsBeside",
    "EncodedClips",
    "MixedClips",
    "RepeatedClips",
    "StreamedClipDataset",
    "TextTargetCollator",
    "TextTargets",
    "VideoClipDataset",
    "VideoTextCollator",
    "attach_controls",
    "class_names",
    "prepare_clips",
    "prepare_sounds",
]
