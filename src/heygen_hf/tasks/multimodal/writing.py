"""What the tasks whose model writes share: a tokenizer with an end, texts written for a whole split, their figures."""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from transformers import AutoTokenizer, EvalPrediction, PreTrainedModel, PreTrainedTokenizerBase

from heygen_hf.data.clips.text_targets import IGNORED
from heygen_hf.data.text import load_tokenizer
from heygen_hf.hub import MetricResult
from heygen_hf.processing import VideoProcessor
from heygen_hf.tasks.clip_data import ProcessorSection
from heygen_hf.tasks.model_training import share_figure

END_TOKEN = "[EOS]"


@dataclass(kw_only=True)
class WritingEvaluationSection:
    """The `evaluation` section of tasks whose answers are texts.

    Args:
        batch_size: clips that are described or asked about at once.
        max_new_tokens: the longest text written; by default as long as the longest of training.
        max_clips: at most so many test clips, evenly spread; None for all.
    """

    batch_size: int = 96
    max_new_tokens: int | None = None
    max_clips: int | None = None

    def __post_init__(self) -> None:
        for name in ("batch_size", "max_new_tokens", "max_clips"):
            value = getattr(self, name)
            if value is not None and value < 1:
                raise ValueError(f"{name} must be at least 1, got {value}")


def tokenizer_with_end(
    name_or_path: str | None, texts: Iterable[str], *, exported: Path | None
) -> PreTrainedTokenizerBase:
    """The run's own tokenizer, the one that is named, or one made from the texts, which then has an end token.

    A named one stays as it is: a token that its model never saw would mean nothing to it.
    """
    if exported is not None:
        return AutoTokenizer.from_pretrained(str(exported))
    tokenizer = load_tokenizer(name_or_path, texts)
    if name_or_path is None and tokenizer.eos_token is None:
        tokenizer.add_special_tokens({"eos_token": END_TOKEN})
    return tokenizer


def load_processor(section: ProcessorSection, *, exported: Path | None) -> VideoProcessor:
    """The run's own processor, or the recipe's."""
    return VideoProcessor(**asdict(section)) if exported is None else VideoProcessor.from_pretrained(str(exported))


def evenly_spread(count: int, most: int | None) -> list[int]:
    """At most `most` of `count` indices."""
    if most is None or count <= most:
        return list(range(count))
    return [place * count // most for place in range(most)]


def batches_of(
    dataset: Any, rows: Sequence[int], collate: Callable[[list[Any]], dict[str, torch.Tensor]], *, batch_size: int
) -> Iterable[dict[str, torch.Tensor]]:
    """The rows of a data set in their order, as batches without labels."""
    for start in range(0, len(rows), batch_size):
        batch = collate(dataset.__getitems__(list(rows[start : start + batch_size])))
        batch.pop("labels", None)
        yield batch


def write_texts(
    model: PreTrainedModel,
    batches: Iterable[dict[str, torch.Tensor]],
    *,
    tokenizer: PreTrainedTokenizerBase,
    max_new_tokens: int,
) -> list[str]:
    """What the model writes for each sample, the likeliest token each time."""
    texts: list[str] = []
    for batch in batches:
        batch = {name: value.to(model.device) for name, value in batch.items()}
        tokens = model.generate(**batch, max_new_tokens=max_new_tokens, do_sample=False, num_beams=1)
        texts += tokenizer.batch_decode(tokens, skip_special_tokens=True)
    return texts


def figure_of(name: str, figure: dict[str, Any], **options: Any) -> MetricResult:
    """A figure of `written_text_accuracy` as the card shows it."""
    return share_figure(name, figure["correct"], figure["count"], **options)


def likeliest(logits: torch.Tensor | tuple, labels: torch.Tensor) -> torch.Tensor:  # noqa: ARG001
    """The likeliest token, or answer: what `compute_metrics` needs of the logits."""
    return (logits[0] if isinstance(logits, tuple) else logits).argmax(dim=-1)


def token_metrics(evaluated: EvalPrediction) -> dict[str, float]:
    """While training, with the true beginning given: share of right tokens, and of texts right in all of them."""
    labels = np.asarray(evaluated.label_ids)
    counted = labels != IGNORED
    right = (np.asarray(evaluated.predictions) == labels) & counted
    rows = counted.any(axis=1)
    return {
        "token_accuracy": float(right.sum() / max(1, counted.sum())),
        "text_accuracy": float((right | ~counted)[rows].all(axis=1).mean()) if rows.any() else 0.0,
    }


def number_metrics(evaluated: EvalPrediction) -> dict[str, float]:
    """While training, of answers that are picked: the share of right ones."""
    labels = np.asarray(evaluated.label_ids)
    counted = labels != IGNORED
    return {"accuracy": float((np.asarray(evaluated.predictions) == labels)[counted].mean()) if counted.any() else 0.0}
