"""A folder of captioned clips as a data set of the Hub: written anew, decoded, checked, loaded back."""

from heygen_hf.hub.dataset_folder.card import write_dataset_card
from heygen_hf.hub.dataset_folder.checks import check_dataset_folder
from heygen_hf.hub.dataset_folder.inspection import ClipFacts, inspect_clip, inspect_clips
from heygen_hf.hub.dataset_folder.loading import load_dataset_in_clean_process
from heygen_hf.hub.dataset_folder.splits import Row, Split, read_splits
from heygen_hf.hub.dataset_folder.write import Layout, WrittenDataset, WrittenSplit, write_dataset_folder

__all__ = [
    "ClipFacts",
    "Layout",
    "Row",
    "Split",
    "WrittenDataset",
    "WrittenSplit",
    "check_dataset_folder",
    "inspect_clip",
    "inspect_clips",
    "load_dataset_in_clean_process",
    "read_splits",
    "write_dataset_card",
    "write_dataset_folder",
]
