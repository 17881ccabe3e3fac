"""ROUGE, by rouge_score."""

from collections.abc import Sequence

from heygen_hf._optional import require
from heygen_hf.evaluation.text_metrics.references import several_references


def rouge(
    predictions: Sequence[str],
    references: Sequence[str] | Sequence[Sequence[str]],
    *,
    kinds: Sequence[str] = ("rouge1", "rouge2", "rougeL"),
    stem: bool = False,
) -> dict[str, float]:
    """Mean ROUGE F-measures in [0, 1], by kind; of several references, the one that fits best counts.

    Args:
        predictions: the generated texts.
        references: one text, or several, for each of them.
        kinds: "rouge1" … "rouge9" (n-grams), "rougeL" (longest common subsequence), "rougeLsum" (line by line).
        stem: compare English word stems.

    Raises:
        ImportError: rouge_score is not installed.
        ValueError: not as many references as predictions, or none.

    Lin 2004, "ROUGE: a package for automatic evaluation of summaries".
    """
    lists = several_references(predictions, references)
    require("rouge_score")
    from rouge_score.rouge_scorer import RougeScorer

    scorer = RougeScorer(list(kinds), use_stemmer=stem)
    totals = dict.fromkeys(kinds, 0.0)
    for prediction, each in zip(predictions, lists, strict=True):
        for kind, score in scorer.score_multi(each, prediction).items():
            totals[kind] += score.fmeasure
    return {kind: total / len(lists) for kind, total in totals.items()}
