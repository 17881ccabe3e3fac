"""Captions and other text on its way to tokens."""

from heygen_hf.data.text.byte_pairs import build_byte_pair_tokenizer
from heygen_hf.data.text.captions import CaptionReport, check_captions
from heygen_hf.data.text.characters import build_character_tokenizer
from heygen_hf.data.text.collators import TextCollator
from heygen_hf.data.text.preparing import prepare_text_dataset
from heygen_hf.data.text.repetition import keep_first_of_each, split_held_out
from heygen_hf.data.text.text_report import TextReport
from heygen_hf.data.text.tokenization import build_tokenizer, load_tokenizer

__all__ = [
    "CaptionReport",
    "TextCollator",
    "TextReport",
    "build_byte_pair_tokenizer",
    "build_character_tokenizer",
    "build_tokenizer",
    "check_captions",
    "keep_first_of_each",
    "load_tokenizer",
    "prepare_text_dataset",
    "split_held_out",
]
