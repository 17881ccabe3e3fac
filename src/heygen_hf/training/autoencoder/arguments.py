"""Arguments of `VideoAutoencoderTrainer`."""

from dataclasses import dataclass, field
from typing import Any, Literal

from heygen_hf.losses.adversarial import AdversarialKind
from heygen_hf.training.base_arguments import BaseTrainingArguments


@dataclass
class VideoAutoencoderTrainingArguments(BaseTrainingArguments):
    """[`BaseTrainingArguments`] with what training an autoencoder adds.

    Defaults that differ from them: `compile_blocks` "never", `ema_decay` 0.999, `label_names` none.

    The weights of the loss's parts; 0 leaves a part out:

    Args:
        pixel_l1_weight, pixel_l2_weight: mean absolute and squared difference of pixels in [-1, 1].
        perceptual_weight: distance of a frozen network's features, see `perceptual_model`.
        temporal_consistency_weight: distance of the changes from frame to frame.
        kl_weight: β, of the posterior's divergence from the standard normal: nats for each value of the latents.
        adversarial_weight: of the discriminator's judgement, from `adversarial_start_step` on.

    What goes with them:

    Args:
        perceptual_model: a folder or Hub name of any `AutoBackbone` or `AutoModel` for images.
        perceptual_layers: which of its feature maps or hidden states; None for all.
        adversarial_start_step: the optimiser step at which the discriminator comes in: a decoder that is still a blur
            teaches it nothing.
        adversarial_kind: see `AdversarialLoss`.
        adaptive_adversarial_weight: multiply `adversarial_weight` so that its gradient at the decoder's last layer is
            as large as the reconstruction's (Esser et al. 2020).
        discriminator: fields of `VideoDiscriminatorConfig`.
        discriminator_learning_rate: of its AdamW, constant.
        discriminator_gradient_penalty: weight of the R1 penalty.
        max_eval_clips: at most so many validation clips per evaluation; None for all.
        eval_slicing, eval_tiling, eval_tile_size: see `in_slices`; for evaluation and samples.
        sample_steps: write reconstructions every so many optimiser steps; 0 for never.
    """

    label_names: list[str] | None = field(default_factory=list)
    ema_decay: float | None = 0.999
    compile_blocks: Literal["auto", "always", "never"] = "never"

    pixel_l1_weight: float = 1.0
    pixel_l2_weight: float = 1.0
    perceptual_weight: float = 0.0
    temporal_consistency_weight: float = 0.0
    kl_weight: float = 1e-4
    adversarial_weight: float = 0.0

    perceptual_model: str | None = None
    perceptual_layers: list[int] | None = None
    adversarial_start_step: int = 1000
    adversarial_kind: AdversarialKind = "hinge"
    adaptive_adversarial_weight: bool = True
    discriminator: dict[str, Any] = field(default_factory=dict)
    discriminator_learning_rate: float = 2e-4
    discriminator_gradient_penalty: float = 0.0
    max_eval_clips: int | None = 256
    eval_slicing: bool = False
    eval_tiling: bool = False
    eval_tile_size: int | None = None
    sample_steps: int = 0

    def __post_init__(self) -> None:
        if self.kl_weight < 0:
            raise ValueError(f"kl_weight={self.kl_weight} must be at least 0.")
        if self.adversarial_start_step < 0:
            raise ValueError(f"adversarial_start_step={self.adversarial_start_step} must be at least 0.")
        if self.perceptual_weight and self.perceptual_model is None:
            raise ValueError(
                f"perceptual_weight={self.perceptual_weight} compares features: set perceptual_model to a folder or "
                "Hub name of an image model, or perceptual_weight=0."
            )
        if self.adversarial_weight and self.precision == "fp16":
            raise ValueError("adversarial_weight and precision=fp16 do not go together; use bf16 or fp32.")
        super().__post_init__()

    @property
    def pixel_weights(self) -> dict[str, float]:
        """The weights of `VideoGenerationLoss`, but for the discriminator's part."""
        return {
            "pixel_l1": self.pixel_l1_weight,
            "pixel_l2": self.pixel_l2_weight,
            "perceptual": self.perceptual_weight,
            "temporal_consistency": self.temporal_consistency_weight,
        }
