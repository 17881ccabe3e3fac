"""Metrics of text models, offline; all shares are in [0, 1]. Each works on plain values, or as `compute_metrics`."""

from heygen_hf.evaluation.text_metrics.bleu import bleu
from heygen_hf.evaluation.text_metrics.bootstrap import cluster_bootstrap_interval
from heygen_hf.evaluation.text_metrics.compute_metrics import (
    best_classes,
    classification_metrics,
    generation_metrics,
    language_modeling_metrics,
    token_classification_metrics,
)
from heygen_hf.evaluation.text_metrics.entity_scores import (
    Entity,
    EntityScores,
    are_entity_labels,
    entity_scores,
    find_entities,
)
from heygen_hf.evaluation.text_metrics.exact_match import exact_match
from heygen_hf.evaluation.text_metrics.label_scores import (
    LabelScore,
    LabelScores,
    accuracy,
    confusion_matrix,
    label_scores,
    scores_of_confusion,
)
from heygen_hf.evaluation.text_metrics.perplexity import perplexity, perplexity_of_tokens, token_losses
from heygen_hf.evaluation.text_metrics.rouge import rouge

__all__ = [
    "Entity",
    "EntityScores",
    "LabelScore",
    "LabelScores",
    "accuracy",
    "are_entity_labels",
    "best_classes",
    "bleu",
    "classification_metrics",
    "cluster_bootstrap_interval",
    "confusion_matrix",
    "entity_scores",
    "exact_match",
    "find_entities",
    "generation_metrics",
    "label_scores",
    "language_modeling_metrics",
    "perplexity",
    "perplexity_of_tokens",
    "rouge",
    "scores_of_confusion",
    "token_classification_metrics",
    "token_losses",
]
