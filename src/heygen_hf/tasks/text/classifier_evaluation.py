"""How the tasks that classify texts or words are measured."""

from dataclasses import dataclass


@dataclass(kw_only=True)
class ClassifierEvaluationSection:
    """How the final figures are measured.

    Args:
        batch_size: texts or rows at a time.
        baseline: also measure what needs no network: TF-IDF with logistic regression on the training texts (some
            seconds), or the most frequent label of each word.
    """

    batch_size: int = 32
    baseline: bool = True
