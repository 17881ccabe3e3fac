"""Captions and other text on its way to tokens."""

from heygen_hf.data.text.tokenization import build_tokenizer, load_tokenizer

__all__ = ["build_tokenizer", "load_tokenizer"]
