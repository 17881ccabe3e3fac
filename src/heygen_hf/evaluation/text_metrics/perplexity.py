"""Perplexity of a language model, without keeping a vocabulary's worth of scores for every token."""

import math

import numpy as np
import torch
from torch.nn import functional as F

_LARGEST_EXPONENT = 700.0  # exp of more is no float


def perplexity(mean_loss_nats: float) -> float:
    """exp of the mean loss a token; infinite beyond what a float holds.

    Raises:
        ValueError: the loss is negative or not a number.
    """
    if math.isnan(mean_loss_nats) or mean_loss_nats < 0:
        raise ValueError(f"the mean loss is {mean_loss_nats}; expected at least 0 nats a token")
    return math.exp(mean_loss_nats) if mean_loss_nats < _LARGEST_EXPONENT else math.inf


def token_losses(logits: torch.Tensor | tuple, labels: torch.Tensor) -> torch.Tensor:
    """The loss of each token in nats, as `Trainer`'s `preprocess_logits_for_metrics` wants it.

    Args:
        logits: `(batch, tokens, vocabulary)`, or a tuple that begins with them; place i predicts token i + 1.
        labels: `(batch, tokens)`, the tokens themselves, -100 where nothing counts.

    Returns:
        float32 `(batch, tokens)`, at the place of the token that was predicted; NaN where nothing counts, the first
        token among them.
    """
    scores = logits[0] if isinstance(logits, tuple) else logits
    losses = torch.full(labels.shape, math.nan, dtype=torch.float32, device=labels.device)
    counts = labels[:, 1:] != -100
    flat = F.cross_entropy(scores[:, :-1][counts].float(), labels[:, 1:][counts], reduction="none")
    losses[:, 1:][counts] = flat
    return losses


def perplexity_of_tokens(losses: np.ndarray) -> dict[str, float]:
    """`{"perplexity", "mean_loss", "num_tokens"}` from what `token_losses` gives; NaN does not count.

    Raises:
        ValueError: no token counts.
    """
    # Trainer pads what it gathers with -100, which no loss is.
    kept = np.asarray(losses, dtype=np.float64)
    kept = kept[~np.isnan(kept) & (kept != -100)]
    if not kept.size:
        raise ValueError("no token has a loss: all targets are -100 or texts have one token; check the data")
    mean = float(kept.mean())
    return {"perplexity": perplexity(mean), "mean_loss": mean, "num_tokens": float(kept.size)}
