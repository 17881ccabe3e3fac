"""How well clips and captions find each other, and clips their classes."""

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from transformers import PreTrainedTokenizerBase

from heygen_hf.data import class_names
from heygen_hf.evaluation.retrieval import RetrievalAccuracy, equal_texts, retrieval_accuracy
from heygen_hf.hub import MetricResult
from heygen_hf.models.multimodal_fusion import MultimodalFusionForContrastiveLearning
from heygen_hf.processing import shuffled
from heygen_hf.tasks.model_training import share_figure
from heygen_hf.tasks.multimodal.collator import FusionCollator
from heygen_hf.tasks.multimodal.combinations import SEEN, UNSEEN, groups_of
from heygen_hf.tasks.multimodal.data import FusionData
from heygen_hf.tasks.multimodal.label_texts import label_texts
from heygen_hf.tasks.multimodal.samples import FusionSamples
from heygen_hf.tasks.recipe import Recipe

_GALLERY_STREAM = 12


@dataclass(kw_only=True)
class RetrievalEvaluationSection:
    """How the trained model is measured.

    Args:
        gallery_clips: with label columns, so many test clips of seen combinations with distinct captions look for each
            other.
        label_template: a caption with label columns in it, such as "a {colour} {digit} moves {direction}". A class's
            texts are those with its name and every name of the other columns; clips are classified by the nearest.
        max_texts_per_label: at most so many of them, evenly spread.
        batch_size: clips or captions encoded at once.
    """

    gallery_clips: int = 100
    label_template: str | None = None
    max_texts_per_label: int = 64
    batch_size: int = 128

    def __post_init__(self) -> None:
        for name in ("gallery_clips", "max_texts_per_label", "batch_size"):
            if getattr(self, name) < 1:
                raise ValueError(f"{name} must be at least 1, got {getattr(self, name)}")


@torch.no_grad()
def measure(
    model: MultimodalFusionForContrastiveLearning,
    *,
    recipe: Recipe,
    data: FusionData,
    collate: FusionCollator,
    tokenizer: PreTrainedTokenizerBase,
) -> list[MetricResult]:
    """Retrieval both ways and, with label columns, on seen and unseen combinations apart, and zero-shot classes."""
    section: RetrievalEvaluationSection = recipe.evaluation
    test, columns = data.test, recipe.data.label_columns
    of = data.measured_split
    clips = embed_clips(model, test, collate, batch_size=section.batch_size)
    zero_shot: list[MetricResult] = []
    if section.label_template is not None:
        zero_shot = zero_shot_figures(model, clips, data, recipe=recipe, tokenizer=tokenizer)
    if not any(map(str.strip, test.texts)):
        names = ("video to text R@1", "text to video R@1")
        note = f"no {of} clip has a caption"
        return [*(share_figure(name, 0, 0, note=note, metric_type="recall") for name in names), *zero_shot]
    gallery = list(dict.fromkeys(test.texts))
    texts = model.label_features([[text] for text in gallery], tokenizer=tokenizer, batch_size=section.batch_size)
    similarity, is_right = clips @ texts.T, equal_texts(test.texts, gallery)
    if not columns:
        return [
            *_figures("video to text", retrieval_accuracy(similarity, is_right), of=f"distinct {of} captions"),
            *_figures("text to video", retrieval_accuracy(similarity.T, is_right.T), of=f"{of} clips"),
        ]
    groups = groups_of(test.labels, columns, train=data.train.labels)
    is_seen = torch.tensor([group == SEEN for group in groups])
    figures: list[MetricResult] = []

    # 1. Clips with distinct captions, each way among themselves.
    rows = _distinct(test.texts, is_seen.nonzero().flatten().tolist(), most=section.gallery_clips, seed=recipe.seed)
    if rows:
        among, right = clips[rows] @ texts[[gallery.index(test.texts[row]) for row in rows]].T, torch.eye(len(rows)) > 0
        group = f"{SEEN}, {len(rows)} clips with distinct captions"
        figures += _figures("video to text", retrieval_accuracy(among, right), of="their captions", group=group)
        figures += _figures("text to video", retrieval_accuracy(among.T, right), of="these clips", group=group)

    # 2. Every test clip against every distinct test caption.
    for group, chosen in ((UNSEEN, ~is_seen), (SEEN, is_seen)):
        if chosen.any():
            accuracy = retrieval_accuracy(similarity[chosen], is_right[chosen])
            figures += _figures("video to text", accuracy, of=f"all distinct {of} captions", group=group)
            wanted = is_right[chosen].any(dim=0)
            accuracy = retrieval_accuracy(similarity.T[wanted], is_right.T[wanted])
            figures += _figures("text to video", accuracy, of=f"all {of} clips", group=group)
    return [*figures, *zero_shot]


def embed_clips(
    model: MultimodalFusionForContrastiveLearning, samples: FusionSamples, collate: FusionCollator, *, batch_size: int
) -> torch.Tensor:
    """`(samples, projection)` of unit length."""
    features = []
    for start in range(0, len(samples), batch_size):
        batch = collate(samples.__getitems__(range(start, min(start + batch_size, len(samples)))))
        pixels, mask = batch["pixel_values"].to(model.device), batch["pixel_mask"].to(model.device)
        features.append(model.get_video_features(pixels, mask).cpu())
    return torch.cat(features)


@torch.no_grad()
def zero_shot_figures(
    model: MultimodalFusionForContrastiveLearning,
    clips: torch.Tensor,
    data: FusionData,
    *,
    recipe: Recipe,
    tokenizer: PreTrainedTokenizerBase,
) -> list[MetricResult]:
    """Accuracy for each label column that the template names, by the mean embedding of each class's texts."""
    section: RetrievalEvaluationSection = recipe.evaluation
    names = {column: class_names(data.train.labels[column]) for column in recipe.data.label_columns}
    figures = []
    for column, texts in label_texts(section.label_template, names, most=section.max_texts_per_label).items():
        classes = model.label_features(texts, tokenizer=tokenizer, batch_size=section.batch_size).cpu()
        chosen = model.classify_features(clips, classes).argmax(dim=1).tolist()
        right = sum(names[column][i] == str(each) for i, each in zip(chosen, data.test.labels[column], strict=True))
        figures.append(
            share_figure(
                f"zero-shot {column}",
                right,
                len(chosen),
                group=f"{data.measured_split} clips",
                note=f"{len(texts)} classes, each the mean of {len(texts[0])} texts; no classifier was trained, but "
                "captions of training had these words",
            )
        )
    return figures


def _figures(name: str, accuracy: RetrievalAccuracy, *, of: str, group: str | None = None) -> list[MetricResult]:
    note = f"gallery: {accuracy.gallery_size} {of}; chance {accuracy.chance(1):.1%}"
    figures = [
        share_figure(
            f"{name} R@{k}", accuracy.num_found(k), accuracy.count, group=group, note=note, metric_type="recall"
        )
        for k in (1, 5, 10)
        if k == 1 or k < accuracy.gallery_size
    ]
    median = MetricResult(
        name=f"{name} median rank",
        value=accuracy.median_rank,
        count=accuracy.count,
        group=group,
        unit="",
        metric_type="median_rank",
        note=f"gallery: {accuracy.gallery_size} {of}",
    )
    return [*figures, median]


def _distinct(texts: Sequence[str], rows: Sequence[int], *, most: int, seed: int) -> list[int]:
    """Rows with captions that are all different, at most so many, in an order that the seed decides."""
    row_of: dict[str, int] = {}
    for place in shuffled(len(rows), seed, _GALLERY_STREAM):
        row_of.setdefault(" ".join(texts[rows[place]].casefold().split()), rows[place])
    return list(row_of.values())[:most]
