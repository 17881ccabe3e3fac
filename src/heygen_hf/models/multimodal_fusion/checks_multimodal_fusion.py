"""What does not fit, said before the first step. Checks that read values are skipped while a graph is traced."""

from collections.abc import Mapping

import torch
from transformers.utils.import_utils import is_tracing

_INPUTS_OF = {"text": ("input_ids",), "video": ("pixel_values",), "audio": ("audio_values", "input_features")}
_MASK_OF = {"text": "attention_mask", "video": "pixel_mask", "audio": "audio_attention_mask"}


def check_no_empty_modality(batch: Mapping[str, torch.Tensor], *, modalities: tuple[str, ...]) -> None:
    """Every modality the model reads is there in at least one sample: for the first batches, or the whole data set.

    A batch of a run may lack a modality by chance, so `forward` does not ask for this; a run asks it once.

    Raises:
        ValueError: a modality is in no sample.
    """
    for modality in modalities:
        given = [batch[name] for name in _INPUTS_OF[modality] if batch.get(name) is not None]
        mask = batch.get(_MASK_OF[modality])
        if not given or (mask is not None and not bool(mask.any())):
            raise ValueError(
                f"no sample has any {modality}, which the model has an encoder for: add it to the data, or leave "
                f"{modality}_config out of the configuration."
            )


def check_some_modality_in_each(presence: torch.Tensor, *, modalities: tuple[str, ...]) -> None:
    """`(batch, modalities)`: no row is all False."""
    if is_tracing(presence):
        return
    empty = (~presence.any(dim=1)).nonzero().flatten().tolist()
    if empty:
        raise ValueError(
            f"sample {empty[0]} of the batch has neither of {', '.join(modalities)}: leave samples without any "
            "modality out of the data."
        )


def check_mask(mask: torch.Tensor, expected: tuple[int, ...], *, name: str, of: str) -> None:
    if tuple(mask.shape) != tuple(expected):
        raise ValueError(f"{name} has shape {tuple(mask.shape)}; expected {tuple(expected)}, as {of}.")


def check_clip_index(clip_index: torch.Tensor, *, texts: torch.Tensor | None, clips: torch.Tensor | None) -> None:
    """`(batch,)`, one number of a clip for each text."""
    if texts is None or clips is None:
        raise ValueError("clip_index says which clip each text is about: pass input_ids and a video or a sound.")
    check_mask(clip_index, (texts.shape[0],), name="clip_index", of="input_ids' rows")
    if not is_tracing(clip_index) and not 0 <= int(clip_index.min()) <= int(clip_index.max()) < clips.shape[0]:
        raise ValueError(
            f"clip_index has numbers from {int(clip_index.min())} to {int(clip_index.max())} for {clips.shape[0]} "
            "clips: rows of pixel_values, counted from 0, are expected."
        )


__all__ = ["check_clip_index", "check_mask", "check_no_empty_modality", "check_some_modality_in_each"]
