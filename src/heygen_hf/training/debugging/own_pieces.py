"""The package's own losses and layers, each at the smallest size that uses all of it, for a check of their gradients.

What stops a gradient on purpose (a teacher that is detached, a weight made from the error) is left out, or stands where
nothing is differentiated: there finite differences and `backward` must differ.
"""

from collections.abc import Callable, Iterator
from functools import partial
from typing import Any

import torch
from torch import nn

from heygen_hf.layers.attention import matmul_attention
from heygen_hf.layers.feed_forward import FeedForward, GatedFeedForward
from heygen_hf.layers.masks import masked_mean
from heygen_hf.layers.modulation import modulate, spread_over_tokens
from heygen_hf.layers.norms import RMSNorm
from heygen_hf.layers.patches import patchify, unpatchify
from heygen_hf.layers.rotary import apply_rotary, grid_positions, rotary_embedding
from heygen_hf.losses.adversarial import AdversarialLoss
from heygen_hf.losses.alignment import AlignmentLoss
from heygen_hf.losses.consistency import ConsistencyLoss
from heygen_hf.losses.contrastive import ContrastiveLoss
from heygen_hf.losses.ddpm import DDPMObjective
from heygen_hf.losses.dice import DiceLoss
from heygen_hf.losses.flow_matching import FlowMatchingObjective
from heygen_hf.losses.focal import FocalLoss
from heygen_hf.losses.gradient_penalty import GradientPenalty
from heygen_hf.losses.linear_chain_crf import LinearChainCRF
from heygen_hf.losses.objective import DenoisingObjective
from heygen_hf.losses.temporal_consistency import TemporalConsistencyLoss
from heygen_hf.losses.video_generation import VideoGenerationLoss
from heygen_hf.training.debugging.gradient_check import Fixed, GradientCheck, check_gradients

Check = Callable[[], GradientCheck]


def check_own_gradients() -> list[GradientCheck]:
    """Every piece, in a few seconds; the global random state is left as it was."""
    found = []
    with torch.random.fork_rng(devices=[]):
        for _, check in own_pieces():
            torch.manual_seed(0)
            found.append(check())
    return found


def own_pieces() -> Iterator[tuple[str, Check]]:
    """Names, and what makes and checks each."""
    for make in (_layers, _losses, _objectives):
        for name, check in make().items():
            yield name, partial(check, name)


def _layers() -> dict[str, Callable[[str], GradientCheck]]:
    return {
        "RMSNorm": lambda name: check_gradients(RMSNorm(4), [torch.randn(2, 4)], name=name),
        "GatedFeedForward": lambda name: check_gradients(GatedFeedForward(3, 4), [torch.randn(2, 3)], name=name),
        "FeedForward": lambda name: check_gradients(FeedForward(3, 4), [torch.randn(2, 3)], name=name),
        "modulate": lambda name: check_gradients(modulate, [torch.randn(1, 2, 3) for _ in range(3)], name=name),
        "spread_over_tokens": lambda name: check_gradients(
            partial(spread_over_tokens, prefix_tokens=2, tokens_per_group=2), [torch.randn(1, 3, 2)], name=name
        ),
        "masked_mean": lambda name: check_gradients(
            masked_mean, [torch.randn(2, 3, 2), torch.tensor([[True, True, False], [True, False, False]])], name=name
        ),
        "patchify, unpatchify": lambda name: check_gradients(_patched, [torch.randn(1, 2, 1, 2, 2)], name=name),
        "apply_rotary": lambda name: check_gradients(_rotated, [torch.randn(1, 1, 4, 6)], name=name),
        "matmul_attention": lambda name: check_gradients(
            _attended, [torch.randn(1, heads, 3, 2) for heads in (2, 1, 1)], name=name
        ),
    }


def _losses() -> dict[str, Callable[[str], GradientCheck]]:
    clips = (1, 3, 1, 3, 3)
    pairs = {"first_present": torch.tensor([True, True, True, False])}
    ids = torch.tensor([[0, 2, 1], [1, 1, 0]])
    own: dict[str, tuple[Any, list[Any]]] = {
        "AlignmentLoss": (partial(AlignmentLoss(), **pairs), [torch.randn(4, 3) for _ in range(2)]),
        "ConsistencyLoss": (ConsistencyLoss(kind="similarities"), [torch.randn(4, 3) for _ in range(2)]),
        "FocalLoss (multi_class)": (FocalLoss(gamma=1.5), [torch.randn(2, 3, 3), ids]),
        "FocalLoss (multi_label)": (
            FocalLoss(kind="multi_label", alpha=0.3),
            [torch.randn(2, 3), Fixed(torch.tensor([[0.0, 1.0, 1.0], [1.0, 0.0, 0.0]]))],
        ),
        "DiceLoss": (DiceLoss(), [torch.randn(2, 3, 1, 3), ids[:, None]]),
        "LinearChainCRF": (
            _Weighted(LinearChainCRF(3)),
            [torch.randn(2, 3, 3), ids, torch.tensor([[True, False, True], [True, True, False]])],
        ),
        "TemporalConsistencyLoss": (
            TemporalConsistencyLoss(norm="l2"),
            [torch.randn(clips), Fixed(torch.randn(clips))],
        ),
        "TemporalConsistencyLoss (flow)": (
            _along_flow,
            [torch.randn(clips), Fixed(torch.randn(clips)), Fixed(0.3 * torch.rand(1, 2, 2, 3, 3))],
        ),
        "VideoGenerationLoss": (
            _video_loss,
            [torch.rand(clips) * 2 - 1, Fixed(torch.rand(clips) * 2 - 1)],
        ),
        "GradientPenalty": (_Penalised(), [Fixed(torch.randn(2, 2, 1, 2, 2))]),
    }
    for kind in ("softmax", "sigmoid"):
        embeddings = [torch.randn(4, 3) for _ in range(2)]
        own[f"ContrastiveLoss ({kind})"] = (_Present(ContrastiveLoss(kind=kind), pairs), embeddings)
    for kind in ("hinge", "non_saturating", "least_squares", "relativistic"):
        logits = [torch.randn(2, 3) for _ in range(2)]
        own[f"AdversarialLoss ({kind})"] = (partial(_both_sides, AdversarialLoss(kind=kind)), logits)
    return {
        name: lambda name, function=function, inputs=inputs: check_gradients(function, inputs, name=name)
        for name, (function, inputs) in own.items()
    }


def _objectives() -> dict[str, Callable[[str], GradientCheck]]:
    timestep = Fixed(torch.tensor([[0.0, 0.02], [0.4, 0.9]]))  # given, below min_timestep, and ordinary
    checks = {}
    for objective in (FlowMatchingObjective, DDPMObjective):
        for kind in ("sample", "velocity", "noise"):
            checks[f"{objective.__name__} ({kind})"] = partial(_objective, objective, kind, timestep)
    return checks


def _objective(cls: type[DenoisingObjective], kind: Any, timestep: Fixed, name: str) -> GradientCheck:
    prediction, sample, noise = (torch.randn(2, 2, 1, 2, 1) for _ in range(3))

    def loss(prediction: torch.Tensor, sample: torch.Tensor, noise: torch.Tensor, at: torch.Tensor) -> torch.Tensor:
        return cls(prediction_type=kind).loss(prediction, sample=sample, noise=noise, timestep=at)

    return check_gradients(loss, [prediction, sample, noise, timestep], name=name)


def _patched(video: torch.Tensor) -> torch.Tensor:
    tokens = patchify(video, (1, 2, 1))
    return unpatchify(tokens * torch.arange(1, tokens.shape[-1] + 1), (2, 1, 2), (1, 2, 1))


def _rotated(heads: torch.Tensor) -> torch.Tensor:
    return apply_rotary(heads, *rotary_embedding(grid_positions(1, 2, 2), heads.shape[-1]))


def _attended(query: torch.Tensor, key: torch.Tensor, value: torch.Tensor) -> torch.Tensor:
    mask = torch.tensor([[True, False, False], [True, True, False], [True, True, True]])[None, None]
    return matmul_attention(nn.Identity(), query, key, value, mask, scaling=0.7)[0]


def _along_flow(prediction: torch.Tensor, target: torch.Tensor, flow: torch.Tensor) -> torch.Tensor:
    return TemporalConsistencyLoss(norm="l2")(prediction, target, flow=flow)


def _video_loss(prediction: torch.Tensor, target: torch.Tensor) -> torch.Tensor:
    return VideoGenerationLoss(pixel_l1=0.5, pixel_l2=1.0, temporal_consistency=0.3)(prediction, target).loss


def _both_sides(loss: AdversarialLoss, fake: torch.Tensor, real: torch.Tensor) -> torch.Tensor:
    return torch.stack([loss.generator(fake, real), loss.discriminator(real, fake)])


class _Weighted(nn.Module):
    """A loss whose learned scores are not all zero."""

    def __init__(self, loss: nn.Module) -> None:
        super().__init__()
        self.loss = loss
        for weight in loss.parameters():
            nn.init.normal_(weight)

    def forward(self, *inputs: torch.Tensor) -> torch.Tensor:
        return self.loss(*inputs)


class _Present(nn.Module):
    """A loss between modalities of which some are absent."""

    def __init__(self, loss: nn.Module, present: dict[str, torch.Tensor]) -> None:
        super().__init__()
        self.loss, self.present = loss, present

    def forward(self, first: torch.Tensor, second: torch.Tensor) -> torch.Tensor:
        return self.loss(first, second, **self.present)


class _Penalised(nn.Module):
    """A discriminator under its gradient penalty: differentiated twice."""

    def __init__(self) -> None:
        super().__init__()
        self.discriminator = nn.Sequential(nn.Flatten(1), nn.Linear(8, 3), nn.Tanh(), nn.Linear(3, 1))
        self.penalty = GradientPenalty()

    def forward(self, clips: torch.Tensor) -> torch.Tensor:
        return self.penalty(self.discriminator, clips)
