"""Dice against its formula and monai's, in two and three dimensions."""

import itertools

import pytest
import torch

from heygen_hf.losses import DiceLoss


def data(*spatial: int) -> tuple[torch.Tensor, torch.Tensor]:
    return 2 * torch.randn(2, 3, *spatial), torch.randint(0, 3, (2, *spatial))


def test_right_answer_is_zero_and_disjoint_one() -> None:
    labels = torch.tensor([[[0, 1], [1, 0]]])
    right = torch.nn.functional.one_hot(labels, 2).movedim(-1, 1).float()
    loss = DiceLoss(activation="none")
    torch.testing.assert_close(loss(right, labels), torch.tensor(0.0))
    torch.testing.assert_close(loss(1 - right, labels), torch.tensor(1.0), atol=1e-5, rtol=0)
    half = torch.full((1, 2, 2, 2), 0.5)  # overlap 2 * 1 over sizes 2 + 2
    torch.testing.assert_close(loss(half, labels), torch.tensor(0.5), atol=1e-5, rtol=0)


@pytest.mark.parametrize(
    ("spatial", "denominator", "reduce_over", "include_background"),
    itertools.product([(5, 4), (3, 4, 4)], ["plain", "squared"], ["sample", "batch"], [True, False]),
)
def test_equals_monai(spatial: tuple, denominator: str, reduce_over: str, include_background: bool) -> None:
    monai = pytest.importorskip("monai.losses")
    logits, labels = data(*spatial)
    weights = [0.5, 2.0, 1.0][: 3 if include_background else 2]
    for activation in ("softmax", "sigmoid"):
        theirs = monai.DiceLoss(
            **{activation: True},
            to_onehot_y=True,
            squared_pred=denominator == "squared",
            batch=reduce_over == "batch",
            include_background=include_background,
            weight=weights,
        )
        ours = DiceLoss(
            activation=activation,
            denominator=denominator,
            reduce_over=reduce_over,
            include_background=include_background,
            class_weights=weights,
        )
        torch.testing.assert_close(ours(logits, labels), theirs(logits, labels[:, None]), atol=1e-6, rtol=1e-6)


def test_labels_as_maps_equal_labels_as_ids() -> None:
    logits, labels = data(4, 4)
    maps = torch.nn.functional.one_hot(labels, 3).movedim(-1, 1)
    torch.testing.assert_close(DiceLoss()(logits, maps), DiceLoss()(logits, labels))


@pytest.mark.parametrize("reduce_over", ["sample", "batch"])
def test_ignored_positions_change_nothing(reduce_over: str) -> None:
    logits, labels = data(4, 6)
    labels[:, :, 4:] = -100
    loss = DiceLoss(reduce_over=reduce_over)
    torch.testing.assert_close(loss(logits, labels), loss(logits[..., :4], labels[..., :4]))


def test_one_map_with_a_sigmoid() -> None:
    logits, labels = torch.randn(2, 1, 4, 4), torch.randint(0, 2, (2, 4, 4))
    loss = DiceLoss(activation="sigmoid")
    torch.testing.assert_close(loss(logits, labels), loss(logits, labels[:, None]))


def test_gradients() -> None:
    logits, labels = data(2, 2)
    labels[0, 0, 0] = -100
    logits = logits.double().requires_grad_()
    for denominator in ("plain", "squared"):
        assert torch.autograd.gradcheck(lambda x, d=denominator: DiceLoss(denominator=d)(x, labels), logits)


@pytest.mark.parametrize(
    ("labels", "message"),
    [
        (torch.full((2, 4, 4), 3), r"label 3 is outside \[0, 3\)"),
        (torch.full((2, 4, 4), -100), "all 32 targets are ignored"),
        (torch.zeros(2, 4, 5, dtype=torch.long), r"expected class ids \(2, 4, 4\)"),
        (torch.zeros(2, 2, 4, 4), "they must agree"),
    ],
)
def test_bad_labels_are_named(labels: torch.Tensor, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        DiceLoss()(torch.zeros(2, 3, 4, 4), labels)


def test_bad_options_are_named() -> None:
    with pytest.raises(ValueError, match="denominator='cubed' is unknown: use one of plain, squared"):
        DiceLoss(denominator="cubed")
    with pytest.raises(ValueError, match="use activation='sigmoid'"):
        DiceLoss()(torch.zeros(1, 1, 2, 2), torch.zeros(1, 2, 2, dtype=torch.long))
    with pytest.raises(ValueError, match=r"expected \(batch, classes, height, width\)"):
        DiceLoss()(torch.zeros(2, 3), torch.zeros(2, dtype=torch.long))
