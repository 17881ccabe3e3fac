"""The video generation loss: its parts are the losses alone, its sum the weighted one, and a decoder learns by it."""

import pytest
import torch
from torch import nn
from torch.nn import functional as F

from heygen_hf.losses import (
    AdversarialLoss,
    GradientPenalty,
    LossOutput,
    PerceptualLoss,
    TemporalConsistencyLoss,
    VideoGenerationLoss,
    adaptive_weight,
)

WEIGHTS = {"pixel_l1": 1.0, "pixel_l2": 0.5, "perceptual": 0.1, "temporal_consistency": 0.3, "adversarial": 0.05}


class _Discriminator(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.convolution = nn.Conv3d(3, 1, 3)
        self.scores = nn.Tanh()

    def forward(self, clip: torch.Tensor) -> torch.Tensor:
        return self.scores(self.convolution(clip.transpose(1, 2)))


def make_loss(**options) -> VideoGenerationLoss:
    torch.manual_seed(3)
    options = {**WEIGHTS, "features": nn.Conv2d(3, 4, 3), "discriminator": _Discriminator(), **options}
    return VideoGenerationLoss(**options)


@pytest.fixture
def clips() -> tuple[torch.Tensor, torch.Tensor]:
    return torch.rand(2, 4, 3, 6, 6) * 2 - 1, torch.rand(2, 4, 3, 6, 6) * 2 - 1


def test_parts_are_the_losses_alone_and_the_loss_their_sum(clips: tuple) -> None:
    loss, flow = make_loss(), torch.rand(2, 3, 2, 6, 6)
    output = loss(*clips, flow=flow)
    expected = {
        "pixel_l1": F.l1_loss(*clips),
        "pixel_l2": F.mse_loss(*clips),
        "perceptual": PerceptualLoss(loss.perceptual_loss.features)(*clips),
        "temporal_consistency": TemporalConsistencyLoss()(*clips, flow=flow),
        "adversarial": AdversarialLoss().generator(loss.discriminator(clips[0])),
    }
    assert list(output.parts) == list(expected)
    torch.testing.assert_close(output.parts, expected)
    torch.testing.assert_close(output.loss, sum(WEIGHTS[name] * part for name, part in expected.items()))
    log = output.to_log()
    assert set(log) == {"loss", *WEIGHTS}
    assert all(isinstance(value, float) for value in log.values())


@pytest.mark.parametrize("name", WEIGHTS)
def test_a_part_alone_is_computed_alone(name: str, clips: tuple) -> None:
    loss = make_loss(**{each: 2.0 * (each == name) for each in WEIGHTS})
    output = loss(*clips)
    assert list(output.parts) == [name]
    torch.testing.assert_close(output.loss, 2 * make_loss()(*clips).parts[name])


def test_frames_that_do_not_count_change_nothing(clips: tuple) -> None:
    loss = make_loss(adversarial_kind="relativistic")
    mask = torch.tensor([[True, True, True, False], [True, True, False, False]])
    spoilt = clips[0].clone()
    spoilt[~mask] = torch.nan
    spoilt.requires_grad_()
    output = loss(spoilt, clips[1], frame_mask=mask)
    torch.testing.assert_close(output.loss, loss(*clips, frame_mask=mask).loss)
    output.loss.backward()
    assert spoilt.grad.isfinite().all()
    assert not spoilt.grad[~mask].any()
    assert spoilt.grad[mask].any()
    torch.testing.assert_close(output.parts["pixel_l1"], (clips[0] - clips[1])[mask].abs().mean())


def test_the_discriminators_step(clips: tuple) -> None:
    loss = make_loss(gradient_penalty=10.0)
    prediction = clips[0].clone().requires_grad_()
    loss(prediction, clips[1]).loss.backward()
    assert all(parameter.grad is None for parameter in loss.discriminator.parameters())
    assert all(parameter.requires_grad for parameter in loss.discriminator.parameters())
    assert prediction.grad.any()
    prediction.grad = None
    output = loss.discriminator_loss(prediction, clips[1])
    real, fake = (loss.discriminator(clip) for clip in (clips[1], clips[0]))
    torch.testing.assert_close(output.parts["discriminator"], AdversarialLoss().discriminator(real, fake))
    penalty = GradientPenalty(weight=10.0)(loss.discriminator, clips[1])
    torch.testing.assert_close(output.parts["gradient_penalty"], penalty)
    torch.testing.assert_close(output.loss, sum(output.parts.values()))
    output.loss.backward()
    assert prediction.grad is None
    assert all(parameter.grad is not None for parameter in loss.discriminator.parameters())


def test_adaptive_weight_is_logged(clips: tuple) -> None:
    loss = make_loss(perceptual=0.0, temporal_consistency=0.0)
    decoder = nn.Conv3d(3, 3, 1)
    prediction = decoder(clips[0].transpose(1, 2)).transpose(1, 2)
    output = loss(prediction, clips[1], last_layer=decoder.weight)
    reconstruction = output.parts["pixel_l1"] + 0.5 * output.parts["pixel_l2"]
    expected = 0.05 * adaptive_weight(reconstruction, output.parts["adversarial"], decoder.weight)
    torch.testing.assert_close(output.weights["adversarial"], expected)
    torch.testing.assert_close(output.loss, reconstruction + expected * output.parts["adversarial"])
    assert output.to_log()["adversarial_weight"] == pytest.approx(expected.item())
    output.loss.backward()


def test_a_decoder_learns_by_it(clips: tuple) -> None:
    loss = make_loss()
    prediction = nn.Parameter(torch.zeros_like(clips[0]))
    optimizer = torch.optim.Adam([prediction], lr=0.05)
    values = []
    for _ in range(25):
        output: LossOutput = loss(prediction, clips[1])
        output.loss.backward()
        optimizer.step()
        optimizer.zero_grad()
        values.append(output.loss.item())
    assert values[-1] < 0.5 * values[0]


def test_gradients() -> None:
    loss = make_loss(pixel_l1=0.0, perceptual=0.0, discriminator=nn.Sequential(nn.Flatten(), nn.Linear(8, 1))).double()
    target = torch.rand(1, 2, 1, 2, 2, dtype=torch.float64)
    prediction = torch.rand_like(target).requires_grad_()
    assert torch.autograd.gradcheck(lambda clip: loss(clip, target).loss, prediction)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"pixel_l1": -1.0}, r"pixel_l1=-1.0 must be a finite number of at least 0"),
        (dict.fromkeys(WEIGHTS, 0.0), "every weight is 0"),
        ({"features": None}, r"perceptual=0.1 compares features: give features"),
        ({"discriminator": None}, r"adversarial=0.05 needs an opponent: give discriminator"),
        ({"adversarial_kind": "wgan"}, "kind='wgan' is unknown"),
    ],
)
def test_bad_options_are_named(options: dict, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        make_loss(**options)


def test_bad_input_is_named(clips: tuple) -> None:
    loss = make_loss()
    with pytest.raises(ValueError, match=r"target has values up to 2\d+(\.\d+)?; expected pixels in \[-1, 1\]"):
        loss(clips[0], clips[1] * 0 + 255)
    with pytest.raises(ValueError, match="they must agree"):
        loss(clips[0], clips[1][:, :3])
    with pytest.raises(ValueError, match=r"expected floating point \(batch, frames, channels, height, width\)"):
        loss(clips[0][0], clips[1][0])
    with pytest.raises(ValueError, match="clips of 1 frame do not change"):
        make_loss(adversarial=0)(clips[0][:, :1], clips[1][:, :1])
    with pytest.raises(ValueError, match="no discriminator to train"):
        VideoGenerationLoss().discriminator_loss(*clips)
