"""What captions, classes and timesteps say to the video transformer.

Shape legend: batch B, frames F, caption tokens L, width D.
"""

import torch


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
        if condition_dropout_mask is None:
            return caption, mask
        # Only the first null token may be attended, so that a dropped caption says nothing about its length.
        dropped = condition_dropout_mask.bool()[:, None]
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
        if class_ids is None:
            class_ids = torch.full((batch,), null_class, device=like.device)
        elif condition_dropout_mask is not None:
            class_ids = torch.where(condition_dropout_mask.bool(), null_class, class_ids)
        return self.class_embedding(class_ids)[:, None]

    def _timestep_slots(self, timestep: torch.Tensor, frames: int, patches: tuple[int, int]) -> torch.Tensor:
        """`(B, 1 + groups, patch frames)`: the caption's zeros, then each group's timesteps, one per frame it spans.

        One timestep per sample is one group; one per frame makes a group of every token row of the grid's time axis;
        one per frame and patch makes a group of every token.
        """
        patch_frames = self.config.patch_size[0]
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
