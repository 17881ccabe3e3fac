"""The loss of a video generator: pixels, features, flicker and a discriminator, each with its weight."""

from typing import Any

import torch
from torch import nn

from heygen_hf.losses.adaptive_weight import adaptive_weight
from heygen_hf.losses.adversarial import AdversarialKind, AdversarialLoss, Logits, output_logits
from heygen_hf.losses.bad_input import check_weight
from heygen_hf.losses.clip_pairs import check_clip_pair, frame_mean, with_uncounted_of
from heygen_hf.losses.gradient_penalty import GradientPenalty
from heygen_hf.losses.loss import Loss, LossOutput, full_precision
from heygen_hf.losses.perceptual import PerceptualLoss
from heygen_hf.losses.temporal_consistency import TemporalConsistencyLoss

# Resampling overshoots a little; bytes or a forgotten normalisation by far more.
LARGEST_PIXEL = 1.5


class VideoGenerationLoss(Loss):
    """A generated clip against its target, for autoencoders, predictors and fine-tuned decoders.

    | input | shape | values |
    |---|---|---|
    | `prediction`, `target` | `(batch, frames, channels, height, width)` | [-1, 1] |
    | `frame_mask` | `(batch, frames)` bool | True at frames that count |
    | `flow`, `reverse_flow` | `(batch, frames - 1, 2, height, width)` | pixels, see `TemporalConsistencyLoss` |
    | `last_layer` | a parameter of the generator | for the adaptive weight, see `adaptive_weight` |
    | returns | `LossOutput` | `loss`, and by name the parts whose weight is not 0 |

    The generator's step calls the module, the discriminator's `discriminator_loss`. In the generator's step the
    discriminator's parameters collect no gradient.

    Args:
        pixel_l1, pixel_l2, perceptual, temporal_consistency, adversarial: weights, at least 0; 0 switches a part off.
        features: the perceptual loss's network, or a `PerceptualLoss` with options of its own.
        discriminator: a module from clips to logits, as `VideoDiscriminatorModel`.
        adversarial_kind: see `AdversarialLoss`.
        gradient_penalty: weight of the R1 penalty in `discriminator_loss`.
        temporal: a `TemporalConsistencyLoss` with options of its own.

    Example:
        >>> loss = VideoGenerationLoss(pixel_l1=1.0, perceptual=0.1, features=load_vgg16_features())
        >>> output = loss(prediction, target)
        >>> output.loss.backward()
        >>> output.to_log()
        {'loss': 0.62, 'pixel_l1': 0.5, 'perceptual': 1.2}
    """

    summary = "weighted pixel, perceptual, temporal and adversarial losses"
    citation = "Johnson et al. 2016, arXiv:1603.08155; Esser et al. 2020, arXiv:2012.09841"

    def __init__(
        self,
        *,
        pixel_l1: float = 1.0,
        pixel_l2: float = 0.0,
        perceptual: float = 0.0,
        temporal_consistency: float = 0.0,
        adversarial: float = 0.0,
        features: nn.Module | None = None,
        discriminator: nn.Module | None = None,
        adversarial_kind: AdversarialKind = "hinge",
        gradient_penalty: float = 0.0,
        temporal: TemporalConsistencyLoss | None = None,
    ) -> None:
        super().__init__()
        self.weights = {
            "pixel_l1": pixel_l1,
            "pixel_l2": pixel_l2,
            "perceptual": perceptual,
            "temporal_consistency": temporal_consistency,
            "adversarial": adversarial,
        }
        for name, weight in self.weights.items():
            check_weight(name, weight)
        if not any(self.weights.values()):
            raise ValueError("every weight is 0: give at least one part of the loss a weight.")
        if perceptual and features is None:
            raise ValueError(f"perceptual={perceptual} compares features: give features, e.g. load_vgg16_features().")
        if adversarial and discriminator is None:
            raise ValueError(f"adversarial={adversarial} needs an opponent: give discriminator.")
        check_weight("gradient_penalty", gradient_penalty)
        if features is not None and not isinstance(features, PerceptualLoss):
            features = PerceptualLoss(features)
        self.perceptual_loss = features
        self.temporal_loss = temporal or TemporalConsistencyLoss()
        self.discriminator = discriminator
        self.adversarial_loss = AdversarialLoss(kind=adversarial_kind)
        self.penalty = GradientPenalty(kind="r1", weight=gradient_penalty)

    def options(self) -> dict[str, Any]:
        options: dict[str, Any] = {name: weight for name, weight in self.weights.items() if weight}
        if isinstance(self.perceptual_loss, PerceptualLoss) and self.weights["perceptual"]:
            options["perceptual_loss"] = self.perceptual_loss.options()
        if self.weights["temporal_consistency"]:
            options["temporal_loss"] = self.temporal_loss.options()
        if self.weights["adversarial"]:
            options["discriminator"] = type(self.discriminator).__name__
            options["adversarial_kind"] = self.adversarial_loss.kind
            options["gradient_penalty"] = self.penalty.weight
        return options

    def forward(
        self,
        prediction: torch.Tensor,
        target: torch.Tensor,
        *,
        frame_mask: torch.Tensor | None = None,
        flow: torch.Tensor | None = None,
        reverse_flow: torch.Tensor | None = None,
        last_layer: torch.Tensor | None = None,
    ) -> LossOutput:
        counted = check_clip_pair(prediction, target, frame_mask)
        _check_range(target)
        prediction = with_uncounted_of(prediction, target, counted)
        weights: dict[str, float | torch.Tensor] = {name: weight for name, weight in self.weights.items() if weight}
        parts: dict[str, torch.Tensor] = {}
        difference = full_precision(prediction) - full_precision(target)
        if "pixel_l1" in weights:
            parts["pixel_l1"] = frame_mean(difference.abs(), counted)
        if "pixel_l2" in weights:
            parts["pixel_l2"] = frame_mean(difference.square(), counted)
        if "perceptual" in weights:
            assert self.perceptual_loss is not None
            parts["perceptual"] = self.perceptual_loss(prediction, target, frame_mask=frame_mask)
        if "temporal_consistency" in weights:
            parts["temporal_consistency"] = self.temporal_loss(
                prediction, target, flow=flow, reverse_flow=reverse_flow, frame_mask=counted
            )
        if "adversarial" in weights:
            adversarial = self._fool(prediction, target)
            if last_layer is not None:
                reconstruction = LossOutput.from_parts(parts, weights).loss if parts else adversarial
                weights["adversarial"] = weights["adversarial"] * adaptive_weight(
                    reconstruction, adversarial, last_layer
                )
            parts["adversarial"] = adversarial
        return LossOutput.from_parts(parts, weights)

    def discriminator_loss(
        self, prediction: torch.Tensor, target: torch.Tensor, *, frame_mask: torch.Tensor | None = None
    ) -> LossOutput:
        """The discriminator's step; `prediction` is detached in here.

        Returns:
            parts `discriminator`, and `gradient_penalty` where it has a weight.
        """
        if self.discriminator is None:
            raise ValueError("there is no discriminator to train: give discriminator.")
        counted = check_clip_pair(prediction, target, frame_mask)
        fake = with_uncounted_of(prediction.detach(), target, counted)
        real_logits, fake_logits = self._logits(target), self._logits(fake)
        parts = {"discriminator": self.adversarial_loss.discriminator(real_logits, fake_logits)}
        if self.penalty.weight:
            parts["gradient_penalty"] = self.penalty(self.discriminator, target)
        return LossOutput.from_parts(parts, {"discriminator": 1.0, "gradient_penalty": 1.0})

    def _fool(self, prediction: torch.Tensor, target: torch.Tensor) -> torch.Tensor:
        assert self.discriminator is not None
        trained = [parameter for parameter in self.discriminator.parameters() if parameter.requires_grad]
        for parameter in trained:
            parameter.requires_grad_(False)
        try:
            fake_logits = self._logits(prediction)
            real_logits = None
            if self.adversarial_loss.kind == "relativistic":
                with torch.no_grad():
                    real_logits = self._logits(target)
        finally:
            for parameter in trained:
                parameter.requires_grad_(True)
        return self.adversarial_loss.generator(fake_logits, real_logits)

    def _logits(self, clip: torch.Tensor) -> Logits:
        assert self.discriminator is not None
        return output_logits(self.discriminator(clip))


def _check_range(target: torch.Tensor) -> None:
    if torch.compiler.is_compiling():
        return
    largest = float(target.detach().abs().amax())
    if largest > LARGEST_PIXEL:
        raise ValueError(f"target has values up to {largest:g}; expected pixels in [-1, 1]: normalise the clips first.")
