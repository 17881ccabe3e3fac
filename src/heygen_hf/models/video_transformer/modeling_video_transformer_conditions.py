"""What captions, classes, sound and timesteps say to the video transformer.

Shape legend: batch B, frames F, caption tokens L, a token grid T × h × w, width D.
"""

import torch
from torch import nn

from heygen_hf.layers import timestep_features
from heygen_hf.models.video_transformer.configuration_video_transformer import CONDITION_NAMES

# Training takes the derivative by the timestep, and features that turn a thousand times a unit have a huge one.
_SLOWED = 0.02


def dropped_samples(condition_dropout_mask: torch.Tensor | None, name: str) -> torch.Tensor | None:
    """Of which samples the condition `name` is dropped, bool `(B,)`; None where nothing is.

    Args:
        condition_dropout_mask: `(B,)` for all conditions at once, or `(B, 3)`, one column for each of
            `CONDITION_NAMES`.

    Raises:
        ValueError: a mask of another shape.
    """
    if condition_dropout_mask is None:
        return None
    mask = condition_dropout_mask.bool()
    if mask.ndim == 1:
        return mask
    if mask.ndim != 2 or mask.shape[1] != len(CONDITION_NAMES):
        raise ValueError(
            f"condition_dropout_mask has shape {tuple(mask.shape)}; expected (batch,), or (batch, "
            f"{len(CONDITION_NAMES)}) with the columns {', '.join(CONDITION_NAMES)}."
        )
    return mask[:, CONDITION_NAMES.index(name)]


class VideoTransformerConditions:
    """Mixed into `VideoTransformerModel`, which holds the layers: conditions to tokens and conditioning vectors."""

    def _embed_caption(
        self,
        batch: int,
        input_ids: torch.Tensor | None,
        attention_mask: torch.Tensor | None,
        encoder_hidden_states: torch.Tensor | None,
        condition_dropout_mask: torch.Tensor | None,
    ) -> tuple[torch.Tensor | None, torch.Tensor | None]:
        """Caption tokens `(B, L, D)` and their mask `(B, L)`; a dropped caption is one null token."""
        if input_ids is not None and self.caption_embedding is None:
            raise ValueError("input_ids were passed to a model without vocab_size; it cannot read captions as ids.")
        if encoder_hidden_states is not None and self.caption_proj is None:
            raise ValueError("encoder_hidden_states were passed to a model without caption_hidden_size.")
        if self.null_caption is None:
            return None, None
        if input_ids is not None:
            caption = self.caption_embedding(input_ids)
            if attention_mask is None and self.config.pad_token_id is not None:
                attention_mask = input_ids != self.config.pad_token_id
        elif encoder_hidden_states is not None:
            caption = self.caption_proj(encoder_hidden_states)
        else:
            return self.null_caption.expand(batch, 1, -1), None
        if caption.shape[0] != batch:
            raise ValueError(f"{caption.shape[0]} captions were passed for {batch} clips.")
        mask = None if attention_mask is None else attention_mask.bool()
        dropped = dropped_samples(condition_dropout_mask, "caption")
        if dropped is None:
            return caption, mask
        # Only the first null token may be attended, so that a dropped caption says nothing about its length.
        dropped = dropped[:, None]
        first_only = torch.arange(caption.shape[1], device=caption.device)[None] == 0
        mask = torch.ones(caption.shape[:2], dtype=torch.bool, device=caption.device) if mask is None else mask
        caption = torch.where(dropped[..., None], self.null_caption.to(caption.dtype), caption)
        return caption, torch.where(dropped, first_only, mask)

    def _embed_class(
        self,
        batch: int,
        class_ids: torch.Tensor | None,
        condition_dropout_mask: torch.Tensor | None,
        *,
        like: torch.Tensor,
    ) -> torch.Tensor:
        """The class's contribution to the conditioning vector, `(B, 1, D)`."""
        if self.class_embedding is None:
            if class_ids is not None:
                raise ValueError("class_ids were passed to a model with num_class_labels=0.")
            return like.new_zeros(())
        null_class = self.config.num_class_labels
        dropped = dropped_samples(condition_dropout_mask, "class")
        if class_ids is None:
            class_ids = torch.full((batch,), null_class, device=like.device)
        elif dropped is not None:
            class_ids = torch.where(dropped, null_class, class_ids)
        return self.class_embedding(class_ids)[:, None]

    def _embed_audio(
        self,
        batch: int,
        frames: int,
        audio_features: torch.Tensor | None,
        condition_dropout_mask: torch.Tensor | None,
        *,
        goes_on: bool = False,
    ) -> torch.Tensor | None:
        """A token for each time row of the grid, `(B, T, D)`: the features of the input frames that the row stands for.

        Sound that is dropped, or not given, is a learned null token in every row; silence is a sound. A clip that
        `goes_on` behind cached rows has no first latent that stands for one frame alone.
        """
        if self.audio_proj is None:
            if audio_features is not None:
                raise ValueError("audio_features were passed to a model without audio_hidden_size; it hears nothing.")
            return None
        rows = frames // self.config.patch_size[0]
        null = self.null_audio.expand(batch, rows, -1)
        if audio_features is None:
            return null
        compression = self.config.temporal_compression
        input_frames = frames * compression if goes_on else self.config.input_frames(frames)
        expected = (batch, input_frames, self.config.audio_hidden_size)
        if tuple(audio_features.shape) != expected:
            raise ValueError(
                f"audio_features has shape {tuple(audio_features.shape)}; expected {expected}: (batch, input frames, "
                "audio_hidden_size), a row for each frame of the video."
            )
        # The first latent stands for one frame and each other for several: every row gets as many, zeros before it.
        features = audio_features.to(self.audio_proj.weight.dtype)
        missing = frames * compression - features.shape[1]
        features = nn.functional.pad(features, (0, 0, missing, 0))
        audio = self.audio_proj(features.unflatten(1, (rows, -1)).flatten(2))
        dropped = dropped_samples(condition_dropout_mask, "audio")
        return audio if dropped is None else torch.where(dropped[:, None, None], null.to(audio.dtype), audio)

    def _audio_modulation(self, audio: torch.Tensor, *, groups: int) -> torch.Tensor:
        """What each row's sound adds to the conditioning vectors of its token groups, `(B, 1 + groups, D)`.

        The first is the prefix's, which no sound modulates.
        """
        per_row = self.audio_modulation(audio)
        per_group = per_row.repeat_interleave(groups // per_row.shape[1], dim=1)
        return nn.functional.pad(per_group, (0, 0, 1, 0))

    def _embed_timesteps(
        self,
        slots: torch.Tensor,
        end_timestep: torch.Tensor | None,
        *,
        frames: int,
        patches: tuple[int, int],
        per_row: bool,
    ) -> torch.Tensor:
        """What the timesteps of `_timestep_slots`, and how far their intervals reach, say: `(B, 1 + groups, D)`."""
        dtype, size = self.patch_proj.weight.dtype, self.config.timestep_embedding_size
        if self.interval_embedding is None:
            if end_timestep is not None:
                raise ValueError("end_timestep was passed to a model that is not of objective='mean_flow'.")
            return self.timestep_embedding(timestep_features(slots, size).flatten(-2).to(dtype))
        length = torch.zeros_like(slots)
        if end_timestep is not None:
            ends = self._timestep_slots(end_timestep, frames, patches, per_row=per_row)
            if ends.shape != slots.shape:
                raise ValueError(
                    f"end_timestep has shape {tuple(end_timestep.shape)} and timestep another one; give as many ends "
                    "as timesteps."
                )
            length = slots - ends
        return self.timestep_embedding(
            timestep_features(slots * _SLOWED, size).flatten(-2).to(dtype)
        ) + self.interval_embedding(timestep_features(length * _SLOWED, size).flatten(-2).to(dtype))

    def _timestep_slots(
        self, timestep: torch.Tensor, frames: int, patches: tuple[int, int], *, per_row: bool = False
    ) -> torch.Tensor:
        """`(B, 1 + groups, patch frames)`: the caption's zeros, then each group's timesteps, one per frame it spans.

        One timestep per sample is one group; one per frame makes a group of every token row of the grid's time axis;
        one per frame and patch makes a group of every token. `per_row` makes at least a group of every token row, for
        conditions that differ between them.
        """
        patch_frames = self.config.patch_size[0]
        if per_row and timestep.ndim == 1:
            timestep = timestep[:, None].expand(-1, frames)
        if timestep.ndim == 1:
            video = timestep[:, None, None].expand(-1, 1, patch_frames)
        elif timestep.ndim == 2 and timestep.shape[1] == frames:
            video = timestep.reshape(timestep.shape[0], frames // patch_frames, patch_frames)
        elif timestep.ndim == 4 and timestep.shape[1:] == (frames, *patches):
            video = timestep.unflatten(1, (-1, patch_frames)).permute(0, 1, 3, 4, 2).flatten(1, 3)
        else:
            raise ValueError(
                f"timestep has shape {tuple(timestep.shape)}; expected (batch,) or (batch, {frames}), or "
                f"(batch, {frames}, {patches[0]}, {patches[1]}) for this clip."
            )
        return torch.cat((torch.zeros_like(video[:, :1]), video), dim=1)
