"""The video transformer with its training objective."""

from dataclasses import dataclass

import torch
from transformers.processing_utils import Unpack
from transformers.utils import ModelOutput, TransformersKwargs
from transformers.utils.generic import can_return_tuple

from heygen_hf.losses import DenoisingObjective
from heygen_hf.models.video_transformer.configuration_video_transformer import CONDITION_NAMES, VideoTransformerConfig
from heygen_hf.models.video_transformer.modeling_video_transformer import (
    VideoTransformerModel,
    VideoTransformerPreTrainedModel,
)
from heygen_hf.models.video_transformer.objective_video_transformer import build_objective


@dataclass
class VideoGenerationOutput(ModelOutput):
    """Output of a training forward pass.

    Attributes:
        loss: scalar.
        loss_per_sample: `(B,)`.
        prediction: what the denoiser predicted, `(B, F, C, H, W)`; left out in training, where nobody reads it.
    """

    loss: torch.FloatTensor | None = None
    loss_per_sample: torch.FloatTensor | None = None
    prediction: torch.FloatTensor | None = None
    hidden_states: tuple[torch.FloatTensor, ...] | None = None
    attentions: tuple[torch.FloatTensor, ...] | None = None
    cross_attentions: tuple[torch.FloatTensor, ...] | None = None


class VideoTransformerForVideoGeneration(VideoTransformerPreTrainedModel):
    """The denoiser with its training objective: a clean clip and its caption in, a loss out.

    A plain `transformers.Trainer` can train it. `forward` draws timesteps and noise itself in training, from torch's
    global generator; in evaluation mode they are the same at every call unless given.
    """

    main_input_name = "pixel_values"
    # The loss is a mean over samples: Trainer must divide it by the number of accumulation steps itself.
    accepts_loss_kwargs = False

    def __init__(self, config: VideoTransformerConfig) -> None:
        super().__init__(config)
        self.transformer = VideoTransformerModel(config)
        self.post_init()

    @property
    def objective(self) -> DenoisingObjective:
        """What the model is trained to do, as the configuration says."""
        return build_objective(self.config)

    @can_return_tuple
    def forward(
        self,
        pixel_values: torch.Tensor,
        input_ids: torch.Tensor | None = None,
        attention_mask: torch.Tensor | None = None,
        encoder_hidden_states: torch.Tensor | None = None,
        class_ids: torch.Tensor | None = None,
        timestep: torch.Tensor | None = None,
        noise: torch.Tensor | None = None,
        condition_dropout_mask: torch.Tensor | None = None,
        audio_features: torch.Tensor | None = None,
        end_timestep: torch.Tensor | None = None,
        return_loss: bool = True,  # noqa: ARG002 - tells Trainer that evaluation has a loss without labels
        **kwargs: Unpack[TransformersKwargs],
    ) -> VideoGenerationOutput:
        r"""
        Args:
            pixel_values (`torch.Tensor` of shape `(batch, frames, channels, height, width)`):
                Clean clips or latents in about [-1, 1].
            timestep (`torch.Tensor` shaped as in [`VideoTransformerModel`], *optional*):
                Drawn by the objective when not given. Frames (or patches) at 0 are given to the model, and the
                loss skips them.
            noise (`torch.Tensor`, *optional*):
                Standard normal, shaped like `pixel_values`.
            condition_dropout_mask (`torch.Tensor` of shape `(batch,)` or `(batch, 3)`, *optional*):
                True where conditions are dropped; drawn with `config.condition_dropout` in training.

            end_timestep (`torch.Tensor` shaped like `timestep`, *optional*):
                For `objective="mean_flow"`: drawn below `timestep` in training, `timestep` itself in evaluation.

            The other arguments are those of [`VideoTransformerModel`].
        """
        timestep, noise, condition_dropout_mask = self._draw(pixel_values, timestep, noise, condition_dropout_mask)
        records: dict[str, object] = {}
        interval: dict[str, torch.Tensor] = {}
        if self.config.takes_intervals:
            if end_timestep is None and self.training:
                end_timestep = self.objective.draw_ends(timestep)
            if end_timestep is not None:
                if self.training and self.transformer.gradient_checkpointing:
                    raise ValueError(
                        "gradient checkpointing recomputes blocks without the forward-mode derivative that "
                        "objective='mean_flow' trains with: call gradient_checkpointing_disable()."
                    )
                interval["end_timestep"] = end_timestep
        elif end_timestep is not None:
            raise ValueError("end_timestep was passed to a model that is not of objective='mean_flow'.")

        def denoise(noisy: torch.Tensor, at: torch.Tensor, end: torch.Tensor | None = None) -> torch.Tensor:
            output = self.transformer(
                noisy,
                at,
                input_ids=input_ids,
                attention_mask=attention_mask,
                encoder_hidden_states=encoder_hidden_states,
                class_ids=class_ids,
                condition_dropout_mask=condition_dropout_mask,
                audio_features=audio_features,
                **({} if end is None else {"end_timestep": end}),
                **kwargs,
            )
            records.update({name: output.get(name) for name in ("hidden_states", "attentions", "cross_attentions")})
            return output.sample

        result = self.objective(denoise, sample=pixel_values, noise=noise, timestep=timestep, **interval)
        return VideoGenerationOutput(
            loss=result.loss,
            loss_per_sample=result.loss_per_sample,
            prediction=None if self.training else result.prediction,
            **records,
        )

    def _draw(
        self,
        pixel_values: torch.Tensor,
        timestep: torch.Tensor | None,
        noise: torch.Tensor | None,
        condition_dropout_mask: torch.Tensor | None,
    ) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor | None]:
        """Whatever was not given: random in training, fixed in evaluation."""
        batch, device = pixel_values.shape[0], pixel_values.device
        if timestep is None:
            timestep = self.objective.draw_timesteps(batch, generator=self._fixed_in_evaluation(0)).to(device)
        if noise is None:
            noise = torch.randn(pixel_values.shape, generator=self._fixed_in_evaluation(1)).to(pixel_values)
        if condition_dropout_mask is None and self.training and self.config.condition_dropout:
            condition_dropout_mask = torch.rand(batch, device=device) < self.config.condition_dropout
            if len(self.config.conditions) > 1:
                alone = torch.rand(batch, len(CONDITION_NAMES), device=device) < self.config.condition_dropout
                condition_dropout_mask = condition_dropout_mask[:, None] | alone
        return timestep, noise, condition_dropout_mask

    def _fixed_in_evaluation(self, seed: int) -> torch.Generator | None:
        return None if self.training else torch.Generator().manual_seed(seed)


__all__ = ["VideoGenerationOutput", "VideoTransformerForVideoGeneration"]
