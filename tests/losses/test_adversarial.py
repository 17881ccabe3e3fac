"""Both sides of each adversarial loss against its formula, the penalties and the adaptive weight in closed form."""

import pytest
import torch
from torch import nn
from torch.nn import functional as F

from heygen_hf.losses import AdversarialLoss, GradientPenalty, adaptive_weight

KINDS = ("hinge", "non_saturating", "least_squares", "relativistic")


def sigmoid_entropy(logits: torch.Tensor, is_real: bool) -> torch.Tensor:
    return F.binary_cross_entropy_with_logits(logits, torch.full_like(logits, float(is_real)))


@pytest.fixture
def logits() -> tuple[torch.Tensor, torch.Tensor]:
    return 2 * torch.randn(3, 2, 4, 4), 2 * torch.randn(3, 2, 4, 4)


def test_sides_are_their_formulas(logits: tuple) -> None:
    real, fake = logits
    expected = {
        "hinge": ((1 - real).clamp(min=0).mean() + (1 + fake).clamp(min=0).mean(), -fake.mean()),
        "non_saturating": (sigmoid_entropy(real, True) + sigmoid_entropy(fake, False), sigmoid_entropy(fake, True)),
        "least_squares": (
            0.5 * F.mse_loss(real, torch.ones_like(real)) + 0.5 * fake.square().mean(),
            0.5 * F.mse_loss(fake, torch.ones_like(fake)),
        ),
        "relativistic": (sigmoid_entropy(real - fake, True), sigmoid_entropy(fake - real, True)),
    }
    assert set(expected) == set(KINDS)
    for kind, (discriminator, generator) in expected.items():
        loss = AdversarialLoss(kind=kind)
        torch.testing.assert_close(loss.discriminator(real, fake), discriminator)
        torch.testing.assert_close(loss.generator(fake, real), generator)
        torch.testing.assert_close(loss(fake, real), generator)


def test_least_squares_equals_monai(logits: tuple) -> None:
    monai = pytest.importorskip("monai.losses")
    theirs = monai.PatchAdversarialLoss(criterion="least_squares", no_activation_leastsq=True)
    ours = AdversarialLoss(kind="least_squares")
    generator = theirs(logits[1], target_is_real=True, for_discriminator=False)
    torch.testing.assert_close(2 * ours.generator(logits[1]), generator)


@pytest.mark.parametrize("kind", KINDS)
def test_scales_count_alike_whatever_their_size(kind: str, logits: tuple) -> None:
    loss = AdversarialLoss(kind=kind)
    coarse = tuple(side[..., :1, :1] for side in logits)
    both = loss.discriminator(*([fine, small] for fine, small in zip(logits, coarse, strict=True)))
    torch.testing.assert_close(both, (loss.discriminator(*logits) + loss.discriminator(*coarse)) / 2)
    torch.testing.assert_close(
        loss.generator([logits[1], coarse[1]], [logits[0], coarse[0]]),
        (loss.generator(*logits[::-1]) + loss.generator(*coarse[::-1])) / 2,
    )


@pytest.mark.parametrize("kind", KINDS)
def test_each_side_pulls_its_own_way(kind: str) -> None:
    # between the two targets, where every kind pulls
    real, fake = (torch.rand(3, 2, 4, 4, dtype=torch.float64).requires_grad_() for _ in range(2))
    loss = AdversarialLoss(kind=kind)
    assert torch.autograd.gradcheck(loss.discriminator, (real[:1, :1], fake[:1, :1]))
    real_slope, fake_slope = torch.autograd.grad(loss.discriminator(real, fake), (real, fake))
    assert real_slope.sum() < 0 < fake_slope.sum()
    assert torch.autograd.grad(loss.generator(fake, real), fake)[0].sum() < 0


def test_bad_input_is_named(logits: tuple) -> None:
    with pytest.raises(ValueError, match="kind='wasserstein' is unknown: use one of hinge, non_saturating"):
        AdversarialLoss(kind="wasserstein")
    with pytest.raises(ValueError, match="give real_logits to the generator's side"):
        AdversarialLoss(kind="relativistic").generator(logits[1])
    with pytest.raises(ValueError, match="logits of 2 and 1 scales"):
        AdversarialLoss().discriminator(list(logits), [logits[0]])
    with pytest.raises(ValueError, match="they must agree"):
        AdversarialLoss().discriminator(logits[0], logits[1][:1])


def test_penalty_of_a_linear_discriminator_is_its_slope() -> None:
    linear = nn.Linear(12, 5, bias=False)
    clips = torch.randn(4, 2, 3, 1, 2)
    penalty = GradientPenalty(weight=3.0)(lambda x: linear(x.flatten(1)), clips)
    slope = linear.weight.mean(0)  # a clip's score is the mean of its five logits
    torch.testing.assert_close(penalty, 1.5 * slope.square().sum())
    penalty.backward()
    torch.testing.assert_close(linear.weight.grad, (3.0 * slope / 5).expand(5, -1))


def test_penalty_differentiates_twice() -> None:
    first, second = torch.randn(4, 6, dtype=torch.float64), torch.randn(1, 4, dtype=torch.float64)
    clips = torch.randn(2, 1, 1, 2, 3, dtype=torch.float64)

    def penalty(first: torch.Tensor, second: torch.Tensor) -> torch.Tensor:
        return GradientPenalty(kind="r2")(lambda x: torch.tanh(x.flatten(1) @ first.mT) @ second.mT, clips)

    assert torch.autograd.gradcheck(penalty, (first.requires_grad_(), second.requires_grad_()))
    with torch.no_grad():
        assert penalty(first, second) > 0  # a validation loop may ask for it too


def test_bad_penalties_are_named() -> None:
    with pytest.raises(ValueError, match="kind='r3' is unknown: use one of r1, r2"):
        GradientPenalty(kind="r3")
    with pytest.raises(ValueError, match=r"weight=-1.0 must be"):
        GradientPenalty(weight=-1.0)


def test_adaptive_weight_balances_the_last_layer() -> None:
    layer = nn.Linear(4, 3)
    output = layer(torch.randn(5, 4))
    reconstruction, adversarial = output.square().mean(), -0.01 * output.mean()
    weight = adaptive_weight(reconstruction, adversarial, layer.weight, epsilon=0.0)
    assert not weight.requires_grad
    pull = [torch.autograd.grad(loss, layer.weight, retain_graph=True)[0] for loss in (reconstruction, adversarial)]
    torch.testing.assert_close((weight * pull[1]).norm(), pull[0].norm())
    (reconstruction + weight * adversarial).backward()  # the graph is still there
    assert adaptive_weight(*[layer.weight.sum(), 0 * layer.weight.sum()], layer.weight, maximum=7.0) == 7.0
    with pytest.raises(ValueError, match="adversarial_loss does not depend on last_layer"):
        adaptive_weight(layer.weight.sum(), torch.zeros(()), layer.weight)
