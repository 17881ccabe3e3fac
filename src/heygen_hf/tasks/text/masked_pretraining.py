"""First learn the language of the texts from hidden tokens: a small labelled set then says more (arXiv:1810.04805)."""

from collections.abc import Sequence

import numpy as np
import torch
from torch import nn
from torch.nn import functional as F

from heygen_hf.training import MuonWithAdamW, split_for_muon
from heygen_hf.training.base_arguments import supports_bfloat16

_WARMUP_STEPS = 40
_SHARE_LEFT_VISIBLE = 0.1  # of the tokens to be guessed, so that a visible token's own state is of use too
_PRINT_EVERY = 100


class MaskedLanguageModel(nn.Module):
    """An encoder that guesses hidden tokens; its output layer is the encoder's own embedding.

    Args:
        encoder: bidirectional; gives `last_hidden_state` for `input_ids` and `attention_mask`.
    """

    def __init__(self, encoder: nn.Module) -> None:
        super().__init__()
        self.encoder = encoder
        width = encoder.get_input_embeddings().weight.shape[1]
        self.transform = nn.Linear(width, width)

    def forward(
        self, input_ids: torch.Tensor, attention_mask: torch.Tensor, hidden: torch.Tensor, targets: torch.Tensor
    ) -> torch.Tensor:
        """The mean loss of the tokens `targets` `(count,)` at the places `hidden` `(batch, tokens)`, bool."""
        states = self.encoder(input_ids=input_ids, attention_mask=attention_mask).last_hidden_state[hidden]
        embeddings = self.encoder.get_input_embeddings().weight
        return F.cross_entropy((F.gelu(self.transform(states)) @ embeddings.T).float(), targets)


def pretrain_on_hidden_tokens(
    encoder: nn.Module,
    texts: Sequence[Sequence[int]],
    *,
    mask_token_id: int,
    pad_token_id: int,
    num_steps: int,
    seed: int,
    batch_size: int = 64,
    max_length: int = 64,
    hidden_share: float = 0.2,
    learning_rate: float = 2e-3,
    muon_learning_rate: float = 5e-3,
) -> float:
    """Train the encoder in place.

    Args:
        encoder: bidirectional.
        texts: token numbers of training texts; longer ones are divided.
        mask_token_id: what hidden tokens are replaced with; no text has it.
        num_steps: optimiser steps.
        seed: of the order and of what is hidden.
        hidden_share: of the tokens, in (0, 1).

    Returns:
        The mean loss of the last steps, in nats a hidden token.
    """
    rows = [text[start : start + max_length] for text in texts for start in range(0, len(text), max_length)]
    rows = [row for row in rows if len(row) > 1]
    if not rows:
        raise ValueError("no training text has two tokens; there is nothing to pretrain on")
    model = MaskedLanguageModel(encoder)
    device = next(model.parameters()).device
    matrices, others = split_for_muon(model)
    optimizer = MuonWithAdamW(matrices, others, muon_lr=muon_learning_rate, adamw_lr=learning_rate, weight_decay=0.01)
    peaks = [group["lr"] for group in optimizer.param_groups]
    draw = np.random.default_rng(seed)
    half = supports_bfloat16()
    model.train()
    losses: list[float] = []
    for step in range(num_steps):
        # Up, then down to zero over the second half.
        factor = min((step + 1) / _WARMUP_STEPS, 1.0, 2 * (num_steps - step) / num_steps)
        for group, peak in zip(optimizer.param_groups, peaks, strict=True):
            group["lr"] = peak * factor
        batch = hide_tokens(
            [rows[number] for number in draw.integers(len(rows), size=min(batch_size, len(rows)))],
            draw,
            mask_token_id=mask_token_id,
            pad_token_id=pad_token_id,
            hidden_share=hidden_share,
        )
        with torch.autocast(device.type, torch.bfloat16, enabled=half):
            loss = model(**{name: values.to(device) for name, values in batch.items()})
        loss.backward()
        nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        optimizer.step()
        optimizer.zero_grad()
        losses.append(loss.item())
        if (step + 1) % _PRINT_EVERY == 0:
            print(f"pretraining {step + 1}/{num_steps}: loss {np.mean(losses[-_PRINT_EVERY:]):.3f}", flush=True)
    return float(np.mean(losses[-_PRINT_EVERY:]))


def hide_tokens(
    rows: Sequence[Sequence[int]],
    draw: np.random.Generator,
    *,
    mask_token_id: int,
    pad_token_id: int,
    hidden_share: float,
) -> dict[str, torch.Tensor]:
    """A batch for `MaskedLanguageModel`; at least one token is to be guessed."""
    width = max(len(row) for row in rows)
    ids = np.full((len(rows), width), pad_token_id)
    mask = np.zeros((len(rows), width), dtype=np.int64)
    for number, row in enumerate(rows):
        ids[number, : len(row)], mask[number, : len(row)] = row, 1
    hidden = (draw.random(ids.shape) < hidden_share) & (mask == 1)
    hidden[0, int(draw.integers(len(rows[0])))] |= not hidden.any()
    targets = ids[hidden]
    covered = hidden & (draw.random(ids.shape) >= _SHARE_LEFT_VISIBLE)
    return {
        "input_ids": torch.from_numpy(np.where(covered, mask_token_id, ids)),
        "attention_mask": torch.from_numpy(mask),
        "hidden": torch.from_numpy(hidden),
        "targets": torch.from_numpy(targets),
    }
