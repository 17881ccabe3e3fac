"""Frame differences and the flow: shifted pictures whose flow is known."""

import pytest
import torch

from heygen_hf.losses import TemporalConsistencyLoss, warp_backward
from heygen_hf.losses.temporal_consistency import occluded


def moving_clip(step: int = 2, frames: int = 3, size: int = 12) -> tuple[torch.Tensor, torch.Tensor]:
    """A noise picture that moves `step` pixels right and one down each frame, and its flow."""
    picture = torch.rand(3, size + frames, size + step * frames)
    clip = torch.stack(
        [
            picture[:, frames - t : frames - t + size, step * (frames - t) : step * (frames - t) + size]
            for t in range(frames)
        ]
    )[None]
    flow = torch.tensor([float(step), 1.0]).reshape(1, 1, 2, 1, 1).expand(1, frames - 1, 2, size, size)
    return clip, flow


def test_warping_looks_up_where_the_flow_points() -> None:
    clip, flow = moving_clip()
    warped, inside = warp_backward(clip[:, 1], flow[:, 0])
    difference = (warped - clip[:, 0]).abs().amax(1, keepdim=True)
    assert difference[inside].max() < 1e-5
    assert inside.float().sum() == (12 - 2) * (12 - 1)
    assert difference[~inside].mean() > 0.1
    half = torch.zeros(1, 2, 1, 4)
    half[:, 0] = 0.5
    warped, _ = warp_backward(torch.tensor([[[[0.0, 1.0, 2.0, 3.0]]]]), half)
    torch.testing.assert_close(warped[..., :3], torch.tensor([[[[0.5, 1.5, 2.5]]]]))


def test_a_clip_that_follows_its_flow_costs_nothing() -> None:
    clip, flow = moving_clip()
    loss = TemporalConsistencyLoss()
    assert loss(clip, clip) == 0
    assert loss(clip, clip, flow=flow) < 1e-5
    assert loss(clip, clip, flow=-flow) > 0.1
    assert loss(clip, clip, flow=flow.flip(2)) > 0.1  # right and down are not interchangeable


@pytest.mark.parametrize("norm", ["l1", "l2"])
def test_frame_differences_are_their_formula(norm: str) -> None:
    prediction, target = torch.randn(2, 2, 4, 3, 5, 5)
    change = (prediction[:, 1:] - prediction[:, :-1]) - (target[:, 1:] - target[:, :-1])
    expected = change.abs().mean() if norm == "l1" else change.square().mean()
    loss = TemporalConsistencyLoss(norm=norm, difference_weight=3.0)
    torch.testing.assert_close(loss(prediction, target), 3 * expected)
    torch.testing.assert_close(loss(prediction + 5, target), 3 * expected)  # the level is not its business


def test_flicker_costs_and_brightness_does_not() -> None:
    clip, flow = moving_clip(frames=4)
    flicker = clip + 0.2 * torch.tensor([1.0, -1.0, 1.0, -1.0]).reshape(1, 4, 1, 1, 1)
    loss = TemporalConsistencyLoss(difference_weight=0.0)
    torch.testing.assert_close(loss(flicker, clip, flow=flow), torch.tensor(0.4), atol=1e-5, rtol=1e-5)
    assert loss(clip + 0.2, clip, flow=flow) < 1e-5


def test_occluded_pixels_do_not_count() -> None:
    size = 10
    flow = torch.zeros(1, 2, size, size)
    reverse = torch.zeros(1, 2, size, size)
    flow[:, 0, 4:6, 4:6] = 3.0  # a block that jumps three pixels right and says so in one direction only
    assert occluded(flow, reverse).nonzero()[:, 2:].tolist() == [[4, 4], [4, 5], [5, 4], [5, 5]]
    reverse[:, 0, 4:6, 7:9] = -3.0
    assert not occluded(flow, reverse)[0, 0, 4:6, 4:6].any()
    clip = torch.rand(1, 2, 3, size, size)
    clip[:, 1] = clip[:, 0]
    clip[:, 1, :, 4:6, 7:9] = 5.0
    loss = TemporalConsistencyLoss(difference_weight=0.0)
    arguments = {"flow": flow[:, None], "reverse_flow": torch.zeros(1, 1, 2, size, size)}
    clip[:, 0, :, 4:6, 7:9] = 5.0
    assert loss(clip, clip, flow=flow[:, None]) > 0.05
    assert loss(clip, clip, **arguments) < 1e-6


def test_frames_that_do_not_count_change_nothing() -> None:
    clip, flow = moving_clip(frames=4)
    target = torch.rand_like(clip)
    mask = torch.tensor([[True, True, True, False]])
    spoilt = clip.clone()
    spoilt[:, 3] = torch.nan
    loss = TemporalConsistencyLoss()
    expected = loss(clip[:, :3], target[:, :3], flow=flow[:, :2])
    spoilt.requires_grad_()
    value = loss(spoilt, target, flow=flow, frame_mask=mask)
    torch.testing.assert_close(value, expected)
    value.backward()
    assert spoilt.grad.isfinite().all()
    alone = torch.tensor([[True, False, True, False]])  # no two neighbours count
    assert loss(clip, target, flow=flow, frame_mask=alone) == 0


def test_gradients() -> None:
    prediction, target = torch.rand(2, 1, 3, 1, 4, 4, dtype=torch.float64)
    flow = torch.rand(1, 2, 2, 4, 4, dtype=torch.float64) - 0.5
    loss = TemporalConsistencyLoss(norm="l2")
    assert torch.autograd.gradcheck(lambda clip: loss(clip, target, flow=flow), prediction.requires_grad_())


def test_bad_input_is_named() -> None:
    loss, clip = TemporalConsistencyLoss(), torch.zeros(1, 3, 3, 4, 4)
    with pytest.raises(ValueError, match="clips of 1 frame do not change"):
        loss(clip[:, :1], clip[:, :1])
    with pytest.raises(ValueError, match=r"flow has shape \(1, 3, 2, 4, 4\): expected .* here \(1, 2, 2, 4, 4\)"):
        loss(clip, clip, flow=torch.zeros(1, 3, 2, 4, 4))
    with pytest.raises(ValueError, match="give flow as well"):
        loss(clip, clip, reverse_flow=torch.zeros(1, 2, 2, 4, 4))
    with pytest.raises(ValueError, match="warp_weight=-1 must be"):
        TemporalConsistencyLoss(warp_weight=-1)
    with pytest.raises(ValueError, match="norm='l3' is unknown: use one of l1, l2"):
        TemporalConsistencyLoss(norm="l3")
