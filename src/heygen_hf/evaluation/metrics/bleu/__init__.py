"""BLEU in [0, 1], by sacrebleu, offline, for `evaluate`."""

from heygen_hf.evaluation.metrics.bleu.bleu import Bleu

__all__ = ["Bleu"]
