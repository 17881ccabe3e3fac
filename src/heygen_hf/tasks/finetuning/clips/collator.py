"""Batches of encoded clips as a published generator takes them."""

from collections.abc import Mapping, Sequence
from typing import Any

import torch

from heygen_hf.data import VideoTextCollator

# What the collator of clips sees to, or nobody needs.
_SEEN_TO = {"frames", "latents", "text", "text_embeddings", "text_embeddings_mask", "index", "audio", "audio_features"}


class EncodedClipCollator:
    """`pixel_values`, `encoder_hidden_states` with `attention_mask`, and whatever else a family encodes, stacked."""

    def __init__(self, collate: VideoTextCollator) -> None:
        self.collate = collate

    def __call__(self, items: Sequence[Mapping[str, Any]]) -> dict[str, torch.Tensor]:
        batch = self.collate(items)
        batch["attention_mask"] = batch.pop("encoder_attention_mask")
        further = [name for name, value in items[0].items() if isinstance(value, torch.Tensor) and name not in _SEEN_TO]
        if "source" in items[0]:  # of clips of several
            batch["source"] = [item["source"] for item in items]
        return batch | {name: torch.stack([item[name] for item in items]) for name in further}
