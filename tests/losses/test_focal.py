"""Focal loss against cross-entropy, its closed form and monai's."""

import pytest
import torch
from torch.nn import functional as F

from heygen_hf.losses import FocalLoss


@pytest.fixture
def logits() -> torch.Tensor:
    return 3 * torch.randn(4, 5, 6)


@pytest.fixture
def labels() -> torch.Tensor:
    return torch.randint(0, 5, (4, 6))


def test_gamma_zero_is_cross_entropy(logits: torch.Tensor, labels: torch.Tensor) -> None:
    torch.testing.assert_close(FocalLoss(gamma=0)(logits, labels), F.cross_entropy(logits, labels))
    weights = (1.0, 2.0, 0.0, 0.5, 3.0)
    theirs = F.cross_entropy(logits, labels, weight=torch.tensor(weights), reduction="none")
    ours = FocalLoss(gamma=0, class_weights=weights, reduction="none")(logits, labels)
    torch.testing.assert_close(ours, theirs)


def test_is_its_closed_form(logits: torch.Tensor, labels: torch.Tensor) -> None:
    p = logits.softmax(1).gather(1, labels[:, None]).squeeze(1)
    torch.testing.assert_close(FocalLoss(gamma=1.5)(logits, labels), (-((1 - p) ** 1.5) * p.log()).mean())


@pytest.mark.parametrize("gamma", [0.0, 0.5, 2.0])
def test_equals_monai(logits: torch.Tensor, labels: torch.Tensor, gamma: float) -> None:
    monai = pytest.importorskip("monai.losses")
    weights = [0.5, 1.0, 2.0, 0.1, 1.5]
    theirs = monai.FocalLoss(use_softmax=True, to_onehot_y=True, gamma=gamma, weight=weights, reduction="none")
    ours = FocalLoss(gamma=gamma, class_weights=weights, reduction="none")
    # monai gives one value for each class, of which only the label's is not 0
    expected = theirs(logits, labels[:, None]).sum(1)
    torch.testing.assert_close(ours(logits, labels), expected, atol=1e-6, rtol=1e-6)
    many = torch.randint(0, 2, logits.shape)
    theirs = monai.FocalLoss(gamma=gamma, alpha=0.25, weight=weights)
    ours = FocalLoss(kind="multi_label", gamma=gamma, alpha=0.25, class_weights=weights)
    torch.testing.assert_close(ours(logits, many), theirs(logits, many), atol=1e-6, rtol=1e-6)


@pytest.mark.parametrize("kind", ["multi_class", "multi_label"])
def test_ignored_labels_change_nothing(logits: torch.Tensor, labels: torch.Tensor, kind: str) -> None:
    if kind == "multi_label":
        labels = torch.randint(0, 2, logits.shape)
    loss = FocalLoss(kind=kind)
    hidden = labels.clone()
    hidden[1:] = -100
    torch.testing.assert_close(loss(logits, hidden), loss(logits[:1], labels[:1]))


@pytest.mark.parametrize("gamma", [0.5, 2.0])
def test_gradients(gamma: float) -> None:
    logits = torch.randn(3, 4, 2, dtype=torch.float64, requires_grad=True)
    labels = torch.tensor([[0, 3], [-100, 1], [2, 2]])
    assert torch.autograd.gradcheck(lambda x: FocalLoss(gamma=gamma)(x, labels), logits)
    many = torch.randint(0, 2, logits.shape)
    assert torch.autograd.gradcheck(lambda x: FocalLoss(kind="multi_label", gamma=gamma, alpha=0.3)(x, many), logits)


@pytest.mark.parametrize("gamma", [0.5, 1.0, 2.0])
def test_certain_and_right_or_wrong_stays_finite(gamma: float) -> None:
    logits = torch.tensor([[200.0, -200.0], [-200.0, 200.0]], requires_grad=True)
    FocalLoss(gamma=gamma)(logits, torch.tensor([0, 0])).backward()
    FocalLoss(kind="multi_label", gamma=gamma)(logits, torch.tensor([[1, 0], [1, 0]])).backward()
    assert logits.grad.isfinite().all()


def test_half_precision_is_computed_in_full(logits: torch.Tensor, labels: torch.Tensor) -> None:
    half = logits.bfloat16()
    torch.testing.assert_close(FocalLoss()(half, labels), FocalLoss()(half.float(), labels))


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"kind": "binary"}, "kind='binary' is unknown: use one of multi_class, multi_label"),
        ({"gamma": -1.0}, "gamma=-1.0 must be a finite number of at least 0"),
        ({"alpha": 0.5}, "for multi_class give class_weights"),
        ({"kind": "multi_label", "alpha": 2.0}, r"alpha=2.0 must be in \[0, 1\]"),
        ({"class_weights": (1.0, -1.0)}, "must be finite, at least 0"),
    ],
)
def test_bad_options_are_named(options: dict, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        FocalLoss(**options)


@pytest.mark.parametrize(
    ("loss", "labels", "message"),
    [
        (FocalLoss(), torch.tensor([0, 5]), r"label 5 is outside \[0, 5\)"),
        (FocalLoss(), torch.tensor([-100, -100]), "all 2 targets are ignored"),
        (FocalLoss(), torch.tensor([0.0, 1.0]), "expected class ids as integers"),
        (FocalLoss(), torch.tensor([0]), r"logits have shape \(2, 5\) and labels \(1,\)"),
        (FocalLoss(class_weights=(1.0, 1.0)), torch.tensor([0, 1]), "2 values for 5 classes"),
        (FocalLoss(kind="multi_label"), torch.tensor([0, 1]), "they must agree"),
        (FocalLoss(kind="multi_label"), torch.full((2, 5), 3), "label 3 given; expected 0, 1 or -100"),
    ],
)
def test_bad_labels_are_named(loss: FocalLoss, labels: torch.Tensor, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        loss(torch.zeros(2, 5), labels)
