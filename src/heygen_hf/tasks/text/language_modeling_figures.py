"""What held-out text costs a language model, beside what compression makes of it, and how fast the model writes."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from transformers import PreTrainedModel, PreTrainedTokenizerBase

from heygen_hf.evaluation.language_modeling import (
    byte_ngram_bits,
    measure_bits_per_byte,
    measure_generation,
    xz_bits_per_byte,
)
from heygen_hf.hub import MetricResult
from heygen_hf.tasks.model_training import share_figure

_MOST_BASELINE_BYTES = 2**26  # n-grams of more than 64 MiB want more memory than they are worth


@dataclass(kw_only=True)
class EvaluationSection:
    """How the trained model is measured.

    Args:
        baselines: also measure a byte n-gram and `xz` on the same documents.
        ngram_order: bytes of the n-gram, the predicted one included.
        stride: tokens between the windows that read a long document; by default half of `data.max_length`.
        batch_size: windows read at once.
        generated_tokens: how far each of `num_prompts` held-out beginnings is continued for the speed.
        num_prompts: how many beginnings; 0 measures no speed.
        prompt_characters: length of a beginning.
    """

    baselines: bool = True
    ngram_order: int = 6
    stride: int | None = None
    batch_size: int = 16
    generated_tokens: int = 128
    num_prompts: int = 4
    prompt_characters: int = 60

    def __post_init__(self) -> None:
        for name in ("batch_size", "generated_tokens", "prompt_characters"):
            if getattr(self, name) < 1:
                raise ValueError(f"{name} must be at least 1, got {getattr(self, name)}")
        if self.stride is not None and self.stride < 1:
            raise ValueError(f"stride must be at least 1, got {self.stride}")
        if not 1 <= self.ngram_order <= 7:
            raise ValueError(f"ngram_order must be from 1 to 7, got {self.ngram_order}")
        if self.num_prompts < 0:
            raise ValueError(f"num_prompts must not be below 0, got {self.num_prompts}")


def measure_language_model(
    model: PreTrainedModel,
    tokenizer: PreTrainedTokenizerBase,
    *,
    training_texts: Sequence[str],
    texts: Sequence[str],
    max_length: int,
    section: EvaluationSection,
    num_lossy: int = 0,
) -> list[MetricResult]:
    """Bits per byte with its interval, perplexity, the baselines, the speed of `generate`, and whether its cache
    changes a token.

    Args:
        num_lossy: texts of which the tokenizer loses a part; with any, bits per byte are not measured.
    """
    bits = measure_bits_per_byte(
        model, tokenizer, texts, max_length=max_length, stride=section.stride, batch_size=section.batch_size
    )
    held_out = {"count": len(texts), "group": "held-out documents"}
    every = f"{sum(bits.num_bytes):,} UTF-8 bytes, every one counted, and each document's end"
    figures = [
        MetricResult(
            name="bits per byte",
            value=None if num_lossy else bits.value,
            interval=None if num_lossy else bits.interval(),
            unit="bits/byte",
            metric_type="bits_per_byte",
            note=f"not measured: the tokenizer loses a part of {num_lossy:,} of {len(texts):,} documents"
            if num_lossy
            else f"{every}; interval over documents",
            **held_out,
        ),
        MetricResult(
            name="perplexity per token",
            value=bits.perplexity,
            unit="",
            metric_type="perplexity",
            note=f"{bits.num_tokens:,} tokens of this model's own tokenizer",
            **held_out,
        ),
    ]
    if section.baselines:
        figures += _baselines(training_texts, texts, order=section.ngram_order, every=every)
    if section.num_prompts:
        figures += _speed(model, tokenizer, texts, section)
    return figures


def _baselines(training_texts: Sequence[str], texts: Sequence[str], *, order: int, every: str) -> list[MetricResult]:
    held_out: dict[str, Any] = {"count": len(texts), "group": "held-out documents", "is_baseline": True}
    held_out |= {"unit": "bits/byte", "metric_type": "bits_per_byte"}
    names = f"bits per byte of a byte {order}-gram", "bits per byte of xz"
    size = sum(len(text) for text in training_texts)
    if size > _MOST_BASELINE_BYTES:
        note = f"not measured: {size:,} characters of training text"
        return [MetricResult(name=name, value=None, note=note, **held_out) for name in names]
    ngram = byte_ngram_bits(training_texts, texts, order=order)
    return [
        MetricResult(
            name=names[0],
            value=ngram.value,
            interval=ngram.interval(),
            note=f"baseline: modified Kneser-Ney on the training text; {every}",
            **held_out,
        ),
        MetricResult(
            name=names[1],
            value=xz_bits_per_byte(training_texts, texts),
            note="baseline: what xz -9e adds after the training text, all held-out documents at once",
            **held_out,
        ),
    ]


def prompts_of(texts: Sequence[str], section: EvaluationSection) -> list[str]:
    """Beginnings of documents, evenly spread."""
    step = max(1, len(texts) // max(1, section.num_prompts))
    return [text[: section.prompt_characters] for text in texts[::step][: section.num_prompts]]


def _speed(
    model: PreTrainedModel, tokenizer: PreTrainedTokenizerBase, texts: Sequence[str], section: EvaluationSection
) -> list[MetricResult]:
    prompts = prompts_of(texts, section)
    speed = measure_generation(model, tokenizer, prompts, max_new_tokens=section.generated_tokens)
    return [
        MetricResult(
            name="generation",
            value=speed.tokens_per_second,
            count=speed.num_tokens,
            unit="tokens/s",
            metric_type="tokens_per_second",
            note=f"greedy, one text at a time on the {model.device.type}, with the cache; without it "
            f"{speed.tokens_per_second_without_cache:.0f} tokens/s",
        ),
        share_figure(
            "generations that the cache does not change",
            speed.num_unchanged,
            len(prompts),
            note=f"greedy, {section.generated_tokens} tokens each, equal token for token",
        ),
    ]
