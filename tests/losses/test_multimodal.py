"""Alignment, consistency and their combination with contrast over pairs of modalities."""

import pytest
import torch
from torch.nn import functional as F

from heygen_hf.losses import AlignmentLoss, ConsistencyLoss, ContrastiveLoss, MultimodalLoss


@pytest.fixture
def embeddings() -> dict[str, torch.Tensor]:
    return {name: torch.randn(5, 4) for name in ("text", "video", "audio")}


@pytest.fixture
def pair(embeddings: dict) -> tuple[torch.Tensor, torch.Tensor]:
    return embeddings["text"], embeddings["video"]


PRESENT = torch.tensor([True, True, False, True, True])


def test_alignment_is_its_formula(pair: tuple) -> None:
    unit = [F.normalize(each, dim=1) for each in pair]
    torch.testing.assert_close(AlignmentLoss()(*pair), 1 - (unit[0] * unit[1]).sum(1).mean())
    torch.testing.assert_close(AlignmentLoss(kind="mse")(*pair), F.mse_loss(*pair))
    assert AlignmentLoss()(pair[0], 3 * pair[0]) < 1e-6
    torch.testing.assert_close(AlignmentLoss()(pair[0], -pair[0]), torch.tensor(2.0))


def test_consistency_of_predictions_is_kl(pair: tuple) -> None:
    p, q = ((each / 2).softmax(1) for each in pair)
    forth, back = (p * (p / q).log()).sum(1).mean(), (q * (q / p).log()).sum(1).mean()
    torch.testing.assert_close(ConsistencyLoss(temperature=2.0)(*pair), (forth + back) / 2)
    torch.testing.assert_close(ConsistencyLoss(temperature=2.0, teacher="first")(*pair), forth)
    torch.testing.assert_close(ConsistencyLoss(temperature=2.0, teacher="second")(*pair), back)
    assert ConsistencyLoss()(pair[0], pair[0] + 7) < 1e-6  # logits plus a constant say the same


def test_a_teacher_gets_no_gradient(pair: tuple) -> None:
    first, second = (each.requires_grad_() for each in pair)
    ConsistencyLoss(teacher="first")(first, second).backward()
    assert first.grad is None
    assert second.grad.abs().sum() > 0


def test_consistency_of_similarities_compares_neighbourhoods(pair: tuple) -> None:
    loss = ConsistencyLoss(kind="similarities", temperature=0.1)
    rotation = torch.linalg.qr(torch.randn(4, 4)).Q
    assert loss(pair[0], pair[0] @ rotation) < 1e-5  # another space, the same neighbours
    assert loss(*pair) > 0.01
    wide = F.pad(pair[1], (0, 3))
    torch.testing.assert_close(loss(pair[0], wide), loss(*pair))


LOSSES = [
    AlignmentLoss(),
    AlignmentLoss(kind="mse"),
    ConsistencyLoss(),
    ConsistencyLoss(kind="similarities"),
]


@pytest.mark.parametrize("loss", LOSSES, ids=repr)
def test_items_without_a_modality_drop_out(loss, pair: tuple) -> None:
    spoilt = pair[0].clone().masked_fill(~PRESENT[:, None], torch.nan).requires_grad_()
    value = loss(spoilt, pair[1], first_present=PRESENT)
    torch.testing.assert_close(value, loss(pair[0][PRESENT], pair[1][PRESENT]))
    value.backward()
    assert spoilt.grad.isfinite().all()
    with pytest.raises(ValueError, match="none of 5 items has both modalities"):
        loss(*pair, first_present=PRESENT, second_present=~PRESENT)


@pytest.mark.parametrize("loss", LOSSES, ids=repr)
def test_gradients(loss) -> None:
    pair = torch.randn(2, 3, 3, dtype=torch.float64, requires_grad=True)
    assert torch.autograd.gradcheck(lambda both: loss(*both), pair)


def test_combination_is_the_mean_over_pairs(embeddings: dict) -> None:
    loss = MultimodalLoss(alignment=0.5, contrastive=1.0, consistency=2.0)
    present, ids = {"audio": PRESENT}, torch.tensor([0, 0, 1, 2, 3])
    output = loss(embeddings, present=present, group_ids=ids)
    expected = torch.zeros(())
    for first, second in (("text", "video"), ("text", "audio"), ("video", "audio")):
        masks = {"second_present": PRESENT} if second == "audio" else {}
        two = embeddings[first], embeddings[second]
        contrast = ContrastiveLoss()(*two, **masks, group_ids=ids)
        torch.testing.assert_close(output.parts[f"contrastive/{first}_{second}"], contrast)
        expected += (
            0.5 * AlignmentLoss()(*two, **masks) + contrast + 2.0 * ConsistencyLoss(kind="similarities")(*two, **masks)
        ) / 3
    torch.testing.assert_close(output.loss, expected)
    assert len(output.parts) == 9
    assert set(output.to_log()) == {"loss", *output.parts}


def test_predictions_are_compared_where_there_are_logits(embeddings: dict) -> None:
    logits = {"text": torch.randn(5, 3), "video": torch.randn(5, 3)}
    loss = MultimodalLoss(contrastive=0.0, consistency=1.0, pairs=[("text", "video")])
    assert not list(loss.parameters())  # nothing that would never get a gradient
    output = loss(embeddings, logits=logits)
    torch.testing.assert_close(output.loss, ConsistencyLoss()(logits["text"], logits["video"]))
    with pytest.raises(ValueError, match="needs logits of text and video"):
        loss(embeddings, logits={"text": logits["text"]})


def test_a_modality_that_nobody_has(embeddings: dict) -> None:
    present = {"audio": torch.zeros(5)}
    with pytest.raises(ValueError, match=r"audio is missing in every item of the batch \(5\)"):
        MultimodalLoss()(embeddings, present=present)
    skipping = MultimodalLoss(empty_modality="skip")
    output = skipping(embeddings, present=present)
    assert list(output.parts) == ["contrastive/text_video"]
    torch.testing.assert_close(output.loss, ContrastiveLoss()(embeddings["text"], embeddings["video"]))
    nothing = skipping({"text": embeddings["text"].requires_grad_(), "audio": embeddings["audio"]}, present=present)
    nothing.loss.backward()
    assert nothing.loss == 0
    assert not nothing.parts


def test_bad_input_is_named(embeddings: dict) -> None:
    with pytest.raises(ValueError, match="alignment=-1 must be a finite number"):
        MultimodalLoss(alignment=-1)
    with pytest.raises(ValueError, match="every weight is 0"):
        MultimodalLoss(contrastive=0)
    with pytest.raises(ValueError, match="kind='angle' is unknown"):
        MultimodalLoss(alignment_kind="angle")
    with pytest.raises(ValueError, match="a pair needs two modalities"):
        MultimodalLoss()({"text": embeddings["text"]})
    with pytest.raises(ValueError, match="depth without embeddings: given are text, video, audio"):
        MultimodalLoss(pairs=[("text", "depth")])(embeddings)
    with pytest.raises(ValueError, match="smell without embeddings"):
        MultimodalLoss()(embeddings, present={"smell": PRESENT})
    with pytest.raises(ValueError, match="temperature=0 must be above 0"):
        ConsistencyLoss(temperature=0)
    with pytest.raises(ValueError, match="similarities need at least 3"):
        ConsistencyLoss(kind="similarities")(torch.randn(2, 3), torch.randn(2, 3))


def test_too_few_neighbours_are_skipped_on_request(embeddings: dict) -> None:
    present = {"video": torch.tensor([True, True, False, False, False])}
    two = {name: embeddings[name] for name in ("text", "video")}
    with pytest.raises(ValueError, match="2 items have both modalities"):
        MultimodalLoss(consistency=1.0)(two, present=present)
    output = MultimodalLoss(consistency=1.0, empty_modality="skip")(two, present=present)
    assert list(output.parts) == ["contrastive/text_video"]
