import pytest
import torch
from torch import nn

from heygen_hf.training.optimization.muon import Muon, orthogonalize

SHAPES = [(16, 16), (16, 16), (24, 16), (16, 24)]


def test_orthogonalized_matrices_have_the_singular_vectors_and_values_near_one() -> None:
    matrices = torch.randn(3, 24, 16)
    result = orthogonalize(matrices).float()
    values = torch.linalg.svdvals(result)
    assert values.min() > 0.5
    assert values.max() < 1.3
    left, _, right = torch.linalg.svd(matrices, full_matrices=False)
    nearest = left @ right
    similarity = (result * nearest).sum((1, 2)) / (result.norm(dim=(1, 2)) * nearest.norm(dim=(1, 2)))
    assert similarity.min() > 0.97


def test_follows_torchs_muon() -> None:
    """The same rule matrix by matrix; both orthogonalise in bfloat16, hence the tolerance."""
    ours = [nn.Parameter(torch.randn(shape)) for shape in SHAPES]
    theirs = [nn.Parameter(weight.detach().clone()) for weight in ours]
    start = [weight.detach().clone() for weight in ours]
    batched = Muon(ours, lr=0.02, weight_decay=0.1)
    single = torch.optim.Muon(theirs, lr=0.02, momentum=0.95, weight_decay=0.1, adjust_lr_fn="match_rms_adamw")
    for _ in range(3):
        for weight, other in zip(ours, theirs, strict=True):
            weight.grad = torch.randn_like(weight)
            other.grad = weight.grad.clone()
        batched.step()
        single.step()
    for weight, other, before in zip(ours, theirs, start, strict=True):
        moved = (weight - before).norm()
        assert moved > 0.1
        assert (weight - other).norm() < 0.02 * moved


def test_parameters_without_a_gradient_stay() -> None:
    weights = [nn.Parameter(torch.ones(4, 4)), nn.Parameter(torch.ones(4, 4))]
    optimizer = Muon(weights, lr=0.1, weight_decay=0.5)
    weights[0].grad = torch.randn(4, 4)
    optimizer.step()
    assert not torch.equal(weights[0], torch.ones(4, 4))
    assert torch.equal(weights[1], torch.ones(4, 4))


def test_refuses_vectors() -> None:
    with pytest.raises(ValueError, match=r"Muon takes matrices, got a parameter of shape \(3,\)"):
        Muon([nn.Parameter(torch.zeros(3))])
