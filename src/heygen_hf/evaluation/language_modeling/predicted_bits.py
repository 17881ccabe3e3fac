"""How well a language model predicts held-out text, and how fast it writes."""

import math
import random
import time
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import torch

if TYPE_CHECKING:
    from transformers import PreTrainedModel, PreTrainedTokenizerBase

_BITS_PER_NAT = 1 / math.log(2)


@dataclass(frozen=True, kw_only=True)
class TextBits:
    """What documents cost to write down with a model's predictions, their ends included.

    Attributes:
        bits: of each document.
        num_bytes: of each document in UTF-8.
        num_tokens: predicted in all, ends included; bytes for a model of bytes.
    """

    bits: tuple[float, ...]
    num_bytes: tuple[int, ...]
    num_tokens: int

    @property
    def value(self) -> float:
        """Bits per byte over all documents together."""
        return sum(self.bits) / sum(self.num_bytes)

    @property
    def perplexity(self) -> float:
        """Per token: it compares models of one tokenizer alone."""
        return 2 ** (sum(self.bits) / self.num_tokens)

    def interval(self, *, confidence: float = 0.95, num_draws: int = 1000, seed: int = 0) -> tuple[float, float]:
        """Of `value`, by drawing documents anew with replacement (percentile bootstrap)."""
        generator = random.Random(seed)
        numbers = range(len(self.bits))
        values = []
        for _ in range(num_draws):
            drawn = generator.choices(numbers, k=len(numbers))
            values.append(sum(self.bits[i] for i in drawn) / sum(self.num_bytes[i] for i in drawn))
        values.sort()
        tail = (1 - confidence) / 2
        return values[int(tail * num_draws)], values[min(num_draws - 1, int((1 - tail) * num_draws))]


def count_lossy(tokenizer: "PreTrainedTokenizerBase", texts: Sequence[str]) -> int:
    """How many of the texts do not come back, character for character, from the tokenizer's tokens.

    What a tokenizer loses (capitals, spaces, unknown characters) a model does not pay for, so its bits per byte would
    be too few.
    """
    lost = 0
    for text in texts:
        tokens = tokenizer(text, add_special_tokens=False, verbose=False)["input_ids"]
        lost += tokenizer.decode(tokens, clean_up_tokenization_spaces=False) != text
    return lost


@torch.no_grad()
def measure_bits_per_byte(
    model: "PreTrainedModel",
    tokenizer: "PreTrainedTokenizerBase",
    texts: Sequence[str],
    *,
    max_length: int,
    stride: int | None = None,
    batch_size: int = 16,
) -> TextBits:
    """Every byte of every document counts: each token is predicted once, the first and the end token too.

    A document longer than `max_length` is read in windows that overlap, and every window predicts what the ones before
    it did not. A model whose tokenizer puts no start before a text is charged a uniform guess for the first token.

    Args:
        model: a causal language model, in the mode and precision it is to be measured in.
        tokenizer: one that loses nothing (`count_lossy`).
        texts: the held-out documents.
        max_length: tokens of a window.
        stride: tokens between windows; by default half a window, so that at least as many are read before a token.
        batch_size: windows at once.

    Raises:
        ValueError: a text is empty, or `stride` is not below `max_length`.
    """
    stride = max(1, max_length // 2) if stride is None else stride
    if not 0 < stride < max_length:
        raise ValueError(f"stride={stride} must be at least 1 and below max_length={max_length}.")
    if not texts or not all(texts):
        raise ValueError("there is no text to measure on, or an empty one; leave empty documents out.")
    bits = [0.0] * len(texts)
    windows: list[tuple[int, list[int], int]] = []  # document, tokens, the first token that is predicted
    num_tokens = 0
    end = tokenizer.eos_token_id
    for number, text in enumerate(texts):
        tokens = list(tokenizer(text, verbose=False)["input_ids"])
        if end is not None and tokens[-1] != end:
            tokens.append(end)
        if tokens[0] not in (tokenizer.bos_token_id, tokenizer.cls_token_id):
            bits[number] += math.log2(model.config.get_text_config().vocab_size)
            num_tokens += 1
        num_tokens += len(tokens) - 1
        windows += [(number, *window) for window in _windows(tokens, max_length, stride)]
    windows.sort(key=lambda window: len(window[1]))  # alike lengths together: little padding
    padding = tokenizer.pad_token_id if tokenizer.pad_token_id is not None else 0
    for start in range(0, len(windows), batch_size):
        some = windows[start : start + batch_size]
        width = max(len(tokens) for _, tokens, _ in some)
        rows = [tokens + [padding] * (width - len(tokens)) for _, tokens, _ in some]
        input_ids = torch.tensor(rows, device=model.device)
        lengths = torch.tensor([len(tokens) for _, tokens, _ in some], device=model.device)
        mask = (torch.arange(width, device=model.device) < lengths[:, None]).long()
        logits = model(input_ids=input_ids, attention_mask=mask, use_cache=False).logits[:, :-1].float()
        costs = torch.nn.functional.cross_entropy(logits.transpose(1, 2), input_ids[:, 1:], reduction="none")
        for (number, tokens, first), row in zip(some, costs.double() * _BITS_PER_NAT, strict=True):
            bits[number] += row[first - 1 : len(tokens) - 1].sum().item()
    return TextBits(
        bits=tuple(bits), num_bytes=tuple(len(text.encode("utf-8")) for text in texts), num_tokens=num_tokens
    )


def _windows(tokens: list[int], max_length: int, stride: int) -> list[tuple[list[int], int]]:
    """`(tokens, first token to predict)`: 10 tokens by 4 with stride 2 are 0-3 from 1, 2-5 from 4 − 2, 4-7, 6-9."""
    found = [(tokens[:max_length], 1)]
    start = 0
    while start + max_length < len(tokens):
        known = start + max_length
        start = min(start + stride, len(tokens) - max_length)
        found.append((tokens[start : start + max_length], known - start))
    return found


@dataclass(frozen=True, kw_only=True)
class GenerationSpeed:
    """How fast one text after another is continued, greedily.

    Attributes:
        tokens_per_second: with the cache of keys and values.
        tokens_per_second_without_cache: reading everything again for each token.
        num_tokens: generated with each.
        num_unchanged: texts of which both gave the same tokens.
    """

    tokens_per_second: float
    tokens_per_second_without_cache: float
    num_tokens: int
    num_unchanged: int


@torch.no_grad()
def measure_generation(
    model: "PreTrainedModel",
    tokenizer: "PreTrainedTokenizerBase",
    prompts: Sequence[str],
    *,
    max_new_tokens: int = 128,
) -> GenerationSpeed:
    """Continue every prompt by exactly `max_new_tokens` tokens, with the cache and without."""
    seconds, written = {}, {}
    for use_cache in (True, False):
        options = {"do_sample": False, "num_beams": 1, "use_cache": use_cache, "pad_token_id": tokenizer.pad_token_id}
        lengths = {"max_new_tokens": max_new_tokens, "min_new_tokens": max_new_tokens}
        encoded = [tokenizer(prompt, return_tensors="pt").to(model.device) for prompt in prompts]
        model.generate(**encoded[0], max_new_tokens=2, **options)  # the first call is slow
        start = time.perf_counter()
        generated = [model.generate(**prompt, **options, **lengths) for prompt in encoded]
        seconds[use_cache] = time.perf_counter() - start
        written[use_cache] = [row[0, -max_new_tokens:].tolist() for row in generated]
    num_tokens = len(prompts) * max_new_tokens
    return GenerationSpeed(
        tokens_per_second=num_tokens / seconds[True],
        tokens_per_second_without_cache=num_tokens / seconds[False],
        num_tokens=num_tokens,
        num_unchanged=sum(a == b for a, b in zip(written[True], written[False], strict=True)),
    )
