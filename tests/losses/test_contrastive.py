"""Contrastive losses against plain formulas, and two processes against one with twice the batch."""

import json
import math
import subprocess
import sys
from pathlib import Path

import pytest
import torch
from torch.nn import functional as F

from heygen_hf.losses import ContrastiveLoss

KINDS = ("softmax", "sigmoid")


@pytest.fixture
def pair() -> tuple[torch.Tensor, torch.Tensor]:
    return torch.randn(6, 4), torch.randn(6, 4)


def cosines(pair: tuple) -> torch.Tensor:
    return F.normalize(pair[0], dim=1) @ F.normalize(pair[1], dim=1).T


@pytest.mark.parametrize("label_smoothing", [0.0, 0.2])
def test_softmax_is_cross_entropy_both_ways(pair: tuple, label_smoothing: float) -> None:
    logits, target = cosines(pair) / 0.07, torch.arange(6)
    expected = [F.cross_entropy(each, target, label_smoothing=label_smoothing) for each in (logits, logits.T)]
    loss = ContrastiveLoss(label_smoothing=label_smoothing)
    torch.testing.assert_close(loss(*pair), sum(expected) / 2)


def test_softmax_equals_transformers_clip_loss(pair: tuple) -> None:
    from transformers.models.clip.modeling_clip import image_text_contrastive_loss

    torch.testing.assert_close(ContrastiveLoss(scale=20.0)(*pair), image_text_contrastive_loss(20 * cosines(pair)))


def test_sigmoid_is_every_pairs_decision(pair: tuple) -> None:
    logits = 10 * cosines(pair) - 10
    expected = F.binary_cross_entropy_with_logits(logits, torch.eye(6), reduction="sum") / 6
    torch.testing.assert_close(ContrastiveLoss(kind="sigmoid")(*pair), expected)


@pytest.mark.parametrize("kind", KINDS)
def test_order_and_length_change_nothing(kind: str, pair: tuple) -> None:
    loss, order = ContrastiveLoss(kind=kind), torch.randperm(6)
    expected = loss(*pair)
    torch.testing.assert_close(loss(pair[0][order], pair[1][order]), expected)
    torch.testing.assert_close(loss(5 * pair[0], 0.1 * pair[1]), expected)
    torch.testing.assert_close(loss(pair[1], pair[0]), expected)


def test_one_caption_of_two_clips_is_right_for_both(pair: tuple) -> None:
    first, second = pair
    second = second.clone()
    second[1] = second[0]
    ids = torch.tensor([7, 7, 1, 2, 3, 4])
    log_p = (cosines((first, second)) / 0.07).log_softmax(1)
    back = (cosines((first, second)).T / 0.07).log_softmax(1)
    expected = 0.0
    for table in (log_p, back):
        both = (table[0, :2].mean() + table[1, :2].mean()) + table.diagonal()[2:].sum()
        expected = expected - both / 6 / 2
    torch.testing.assert_close(ContrastiveLoss()(first, second, group_ids=ids), expected)
    target = (ids[:, None] == ids).float()
    logits = 10 * cosines((first, second)) - 10
    torch.testing.assert_close(
        ContrastiveLoss(kind="sigmoid")(first, second, group_ids=ids),
        F.binary_cross_entropy_with_logits(logits, target, reduction="sum") / 6,
    )


@pytest.mark.parametrize("kind", KINDS)
def test_items_without_a_modality_drop_out(kind: str, pair: tuple) -> None:
    loss = ContrastiveLoss(kind=kind)
    present = torch.tensor([True, False, True, True, False, True])
    spoilt = [each.clone().masked_fill(~present[:, None], torch.nan).requires_grad_() for each in pair]
    value = loss(*spoilt, first_present=present, second_present=present)
    torch.testing.assert_close(value, loss(pair[0][present], pair[1][present]))
    value.backward()
    assert all(each.grad.isfinite().all() and not each.grad[~present].any() for each in spoilt)
    # A text without its clip is no anchor and still a negative of the other clips.
    one_sided = loss(*pair, first_present=present)
    assert not torch.isclose(one_sided, value)


@pytest.mark.parametrize("kind", KINDS)
def test_gradients(kind: str) -> None:
    loss = ContrastiveLoss(kind=kind, scale=2.0).double()
    pair = torch.randn(2, 3, 2, dtype=torch.float64, requires_grad=True)
    ids = torch.tensor([0, 1, 0])
    arguments = (pair, *loss.parameters())
    assert torch.autograd.gradcheck(lambda x, *_: loss(*x, group_ids=ids), arguments)


@pytest.mark.parametrize("kind", KINDS)
def test_autocast_changes_nothing(kind: str, pair: tuple) -> None:
    loss = ContrastiveLoss(kind=kind, scale=100.0)
    expected = loss(*pair)
    with torch.autocast("cpu", torch.bfloat16):
        assert torch.equal(loss(*pair), expected)


def test_scale_is_learned_and_held_back(pair: tuple) -> None:
    loss = ContrastiveLoss(maximum_scale=20.0)
    optimizer = torch.optim.Adam(loss.parameters(), lr=0.3)
    for _ in range(5):  # the same embeddings on both sides: sharper is always better
        loss(pair[0], pair[0]).backward()
        optimizer.step()
        optimizer.zero_grad()
    assert loss.scale.item() == pytest.approx(20.0)
    shuffled = pair[0].roll(1, 0)  # now sharper is worse: the scale comes back at once
    for _ in range(3):
        optimizer.zero_grad()
        loss(pair[0], shuffled).backward()
        optimizer.step()
    assert loss.scale < 19
    assert not list(p for p in ContrastiveLoss(learn_scale=False).parameters() if p.requires_grad)
    assert ContrastiveLoss().scale.item() == pytest.approx(1 / 0.07)
    assert math.isclose(ContrastiveLoss(kind="sigmoid").bias.item(), -10)


def test_two_processes_equal_one_with_twice_the_batch(tmp_path: Path) -> None:
    script = Path(__file__).with_name("contrastive_on_ranks.py")
    processes = [
        subprocess.Popen([sys.executable, script, tmp_path, str(rank), str(ranks)])
        for rank, ranks in ((0, 1), (0, 2), (1, 2))
    ]
    assert [process.wait(timeout=120) for process in processes] == [0, 0, 0]
    alone, *together = (
        json.loads((tmp_path / f"result_{name}.json").read_text()) for name in ("0_of_1", "0_of_2", "1_of_2")
    )
    assert len(alone) == 6
    for result in together:
        for case, expected in alone.items():  # the loss, then every gradient
            assert result[case] == pytest.approx(expected, rel=1e-4, abs=1e-6), case


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"kind": "triplet"}, "kind='triplet' is unknown: use one of softmax, sigmoid"),
        ({"label_smoothing": -0.1}, r"label_smoothing=-0.1 must be in \[0, 1\)"),
        ({"kind": "sigmoid", "label_smoothing": 0.1}, "is the softmax's"),
        ({"scale": 200.0}, "scale=200.0 must be above 0 and at most maximum_scale=100.0"),
    ],
)
def test_bad_options_are_named(options: dict, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        ContrastiveLoss(**options)


def test_bad_input_is_named(pair: tuple) -> None:
    loss, nothing = ContrastiveLoss(), torch.zeros(6)
    with pytest.raises(ValueError, match=r"\(6, 4\) and the other's \(5, 4\): they must agree"):
        loss(pair[0], pair[1][:5])
    with pytest.raises(ValueError, match=r"expected \(batch, width\) of floats"):
        loss(torch.zeros(2, 3, 4), torch.zeros(2, 3, 4))
    with pytest.raises(ValueError, match="none of 6 items has both modalities"):
        loss(*pair, first_present=nothing)
    with pytest.raises(ValueError, match=r"a presence mask has shape \(5,\): expected \(6,\)"):
        loss(*pair, first_present=torch.ones(5))
    with pytest.raises(ValueError, match=r"group_ids are torch\.float32"):
        loss(*pair, group_ids=torch.zeros(6))
