"""BLEU, by sacrebleu."""

from collections.abc import Sequence
from typing import Literal

from heygen_hf._optional import require
from heygen_hf.evaluation.text_metrics.references import several_references


def bleu(
    predictions: Sequence[str],
    references: Sequence[str] | Sequence[Sequence[str]],
    *,
    tokenize: Literal["13a", "intl", "char", "zh", "none"] = "13a",
    max_ngram: int = 4,
    lowercase: bool = False,
) -> float:
    """Corpus BLEU in [0, 1] (sacrebleu's score, which is in [0, 100], by 100).

    Args:
        predictions: the generated texts.
        references: one text, or several, for each of them; not all need as many.
        tokenize: sacrebleu's way to words; "13a" is that of published figures.
        max_ngram: the longest n-grams. Texts of fewer words than 4 have none: use less for short captions.
        lowercase: whether letters' case is ignored.

    Raises:
        ImportError: sacrebleu is not installed.
        ValueError: not as many references as predictions, or none.

    Papineni et al. 2002; Post 2018, arXiv:1804.08771.
    """
    lists = several_references(predictions, references)
    sacrebleu = require("sacrebleu")
    # sacrebleu wants the first reference of every text, then the second of every text …; None where there is none.
    most = max(len(each) for each in lists)
    streams = [[each[place] if place < len(each) else None for each in lists] for place in range(most)]
    metric = sacrebleu.metrics.BLEU(tokenize=tokenize, max_ngram_order=max_ngram, lowercase=lowercase)
    return float(metric.corpus_score(list(predictions), streams).score) / 100
