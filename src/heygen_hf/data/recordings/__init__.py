"""Sound recordings of a folder, each with its labels, decoded once."""

from heygen_hf.data.recordings.dataset import RecordingDataset, prepare_recordings
from heygen_hf.data.recordings.decoding import decode_recording
from heygen_hf.data.recordings.folder import RecordingRows, find_recordings
from heygen_hf.data.recordings.splits import split_recordings

__all__ = [
    "RecordingDataset",
    "RecordingRows",
    "decode_recording",
    "find_recordings",
    "prepare_recordings",
    "split_recordings",
]
