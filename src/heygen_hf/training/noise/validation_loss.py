"""The validation loss at fixed timesteps and noise: where each sample stands, and the mean over all of them."""

from collections.abc import Sequence

import numpy as np
from transformers import EvalPrediction

from heygen_hf.data.loading import EpochBatches


def positions_in_validation(
    done: int, *, batch_size: int, batches: EpochBatches | None, rank: int, world_size: int
) -> list[int]:
    """Where in the validation set each sample of this process's batch stands, which decides its noise.

    Args:
        done: samples of this process before this batch; with `batches`, batches before it.
        batch_size: samples of this batch.
        batches: where clips differ in size; a sample that only fills a step up has a position that another has too.
    """
    if batches is None:
        first = done * world_size + rank * batch_size
        return list(range(first, first + batch_size))
    first, count = batches.step_span(done)
    return [first + (rank + sample * world_size) % count for sample in range(batch_size)]


def mean_loss_per_timestep(
    prediction: EvalPrediction, *, timesteps: Sequence[float], given_patterns: Sequence[str] = ()
) -> dict[str, float]:
    """`loss` and `loss_at_<timestep>` of `predictions` `(samples, timesteps)`, each position counted once.

    Args:
        prediction: `label_ids` are the positions.
        given_patterns: for each of them the predictions hold as many columns again, the losses with frames given:
            their mean is `loss_given_<pattern>`, apart from `loss`, which stays that of whole clips.
    """
    _, once = np.unique(np.asarray(prediction.label_ids), return_index=True)
    every = np.asarray(prediction.predictions)[once]
    count = len(timesteps)
    losses = every[:, :count]
    figures = {f"loss_at_{t:g}": float(losses[:, i].mean()) for i, t in enumerate(timesteps)}
    for i, pattern in enumerate(given_patterns, start=1):
        figures[f"loss_given_{pattern}"] = float(every[:, i * count : (i + 1) * count].mean())
    return {"loss": float(losses.mean()), **figures}
