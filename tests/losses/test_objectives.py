import itertools

import pytest
import torch
from diffusers import DDPMScheduler, FlowMatchEulerDiscreteScheduler

from heygen_hf.losses import DDPMObjective, DenoisingObjective, FlowMatchingObjective
from heygen_hf.losses.ddpm import BETA_END, BETA_START

KINDS = ("sample", "velocity", "noise")
OBJECTIVES = (FlowMatchingObjective, DDPMObjective)


@pytest.fixture
def clip() -> dict[str, torch.Tensor]:
    return {
        "sample": torch.randn(3, 4, 2, 5, 5),
        "noise": torch.randn(3, 4, 2, 5, 5),
        # Not near an end: there some of the conversions divide by almost nothing and are bounded instead.
        "timestep": torch.tensor([0.2, 0.4, 0.6]),
    }


def truth(objective: DenoisingObjective, clip: dict[str, torch.Tensor], kind: str) -> torch.Tensor:
    if kind == "velocity":
        return objective.velocity(clip["sample"], clip["noise"], clip["timestep"])
    return clip[kind]


@pytest.mark.parametrize(("objective_class", "kind", "to"), itertools.product(OBJECTIVES, KINDS, KINDS))
def test_a_true_prediction_converts_to_the_truth(objective_class: type, kind: str, to: str, clip: dict) -> None:
    objective = objective_class(prediction_type=kind)
    noisy = objective.add_noise(**clip)
    converted = objective.convert(truth(objective, clip, kind), noisy, clip["timestep"], to=to)
    torch.testing.assert_close(converted, truth(objective, clip, to), atol=2e-4, rtol=1e-3)


@pytest.mark.parametrize(("objective_class", "kind", "space"), itertools.product(OBJECTIVES, KINDS, KINDS))
def test_loss_is_zero_for_the_truth_and_not_otherwise(objective_class: type, kind: str, space: str, clip: dict) -> None:
    objective = objective_class(prediction_type=kind, loss_space=space)
    # To the very ends, where divisors are bounded.
    clip |= {"timestep": torch.tensor([0.001, 0.5, 1.0])}
    perfect = objective(lambda noisy, t: truth(objective, clip, kind), **clip)
    assert perfect.loss < 1e-5
    assert objective(lambda noisy, t: torch.zeros_like(noisy), **clip).loss > 0.1
    assert perfect.loss_per_sample.shape == (3,)


def test_flow_matching_noises_as_diffusers_does(clip: dict) -> None:
    scheduler = FlowMatchEulerDiscreteScheduler()
    index = 400
    timestep = scheduler.timesteps[index].expand(3)
    theirs = scheduler.scale_noise(clip["sample"], timestep, clip["noise"])
    ours = FlowMatchingObjective().add_noise(clip["sample"], clip["noise"], timestep / 1000)
    torch.testing.assert_close(ours, theirs)


def test_ddpm_noises_as_diffusers_does(clip: dict) -> None:
    scheduler = DDPMScheduler(beta_start=BETA_START, beta_end=BETA_END, beta_schedule="linear")
    objective = DDPMObjective()
    for step in (0, 1, 499, 998, 999):
        steps = torch.full((3,), step)
        theirs = scheduler.add_noise(clip["sample"], clip["noise"], steps)
        ours = objective.add_noise(clip["sample"], clip["noise"], (steps + 1) / 1000)
        torch.testing.assert_close(ours, theirs, atol=1e-5, rtol=1e-5)
        velocity = scheduler.get_velocity(clip["sample"], clip["noise"], steps)
        torch.testing.assert_close(
            objective.velocity(clip["sample"], clip["noise"], (steps + 1) / 1000), velocity, atol=1e-5, rtol=1e-5
        )


@pytest.mark.parametrize("objective_class", OBJECTIVES)
def test_given_frames_are_clean_and_do_not_count(objective_class: type, clip: dict) -> None:
    objective = objective_class(prediction_type="sample", loss_space="sample")
    timestep = torch.full((3, 4), 0.7)
    timestep[:, 0] = 0
    noisy = objective.add_noise(clip["sample"], clip["noise"], timestep)
    assert torch.equal(noisy[:, 0], clip["sample"][:, 0])

    def wrong_in_the_given_frame(noisy: torch.Tensor, at: torch.Tensor) -> torch.Tensor:
        prediction = clip["sample"].clone()
        prediction[:, 0] += 100
        return prediction

    result = objective(wrong_in_the_given_frame, sample=clip["sample"], noise=clip["noise"], timestep=timestep)
    assert result.loss == 0


def test_one_timestep_for_all_equals_the_same_for_each_frame(clip: dict) -> None:
    objective = FlowMatchingObjective()
    each = {**clip, "timestep": clip["timestep"][:, None].expand(-1, 4)}
    torch.testing.assert_close(
        objective(lambda noisy, t: noisy * 0.5, **clip).loss, objective(lambda noisy, t: noisy * 0.5, **each).loss
    )


def test_drawn_timesteps_are_shifted_and_never_given() -> None:
    drawn = FlowMatchingObjective(timestep_shift=4.0).draw_timesteps(1000)
    assert drawn.min() > 0
    assert drawn.max() <= 1
    assert 0.79 < drawn.median() < 0.81


def test_bad_arguments_are_named(clip: dict) -> None:
    with pytest.raises(ValueError, match="prediction_type='image' is unknown"):
        FlowMatchingObjective(prediction_type="image")
    with pytest.raises(ValueError, match=r"timestep has shape \(2,\); expected \(3,\) or \(3, 4\)"):
        FlowMatchingObjective().add_noise(clip["sample"], clip["noise"], torch.rand(2))
    with pytest.raises(ValueError, match="they must agree"):
        FlowMatchingObjective()(lambda n, t: n, sample=clip["sample"], noise=clip["noise"][:1], timestep=torch.rand(3))


@pytest.mark.parametrize(("objective_class", "kind", "space"), itertools.product(OBJECTIVES, KINDS, KINDS))
def test_loss_is_the_error_of_the_converted_prediction(
    objective_class: type, kind: str, space: str, clip: dict
) -> None:
    objective = objective_class(prediction_type=kind, loss_space=space, min_timestep=1e-3)
    prediction = truth(objective, clip, kind) + torch.randn_like(clip["sample"])
    noisy = objective.add_noise(**clip)
    estimate = objective.convert(prediction, noisy, clip["timestep"], to=space)
    expected = (estimate - truth(objective, clip, space)).square().mean(dim=(1, 2, 3, 4))
    torch.testing.assert_close(objective.loss(prediction, **clip), expected, atol=1e-3, rtol=1e-3)
