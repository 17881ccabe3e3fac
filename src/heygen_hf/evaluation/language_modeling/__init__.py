"""Language models on held-out text: the bits it costs them, and what it costs without a network."""

from heygen_hf.evaluation.language_modeling.compression import byte_ngram_bits, xz_bits_per_byte
from heygen_hf.evaluation.language_modeling.predicted_bits import (
    TextBits,
    count_lossy,
    measure_bits_per_byte,
    measure_generation,
)

__all__ = [
    "TextBits",
    "byte_ngram_bits",
    "count_lossy",
    "measure_bits_per_byte",
    "measure_generation",
    "xz_bits_per_byte",
]
