import pytest
import torch
from torch import nn

from heygen_hf.losses import FlowMatchingObjective
from heygen_hf.losses.mean_flow import MeanFlowObjective


def clips(*shape: int) -> tuple[torch.Tensor, torch.Tensor]:
    return torch.randn(*shape), torch.randn(*shape)


def test_an_interval_without_length_is_flow_matching() -> None:
    sample, noise = clips(3, 2, 1, 2, 2)
    timestep, weight = torch.tensor([0.2, 0.7, 1.0]), torch.tensor(0.3, requires_grad=True)
    flow = FlowMatchingObjective()(lambda noisy, at: weight * noisy, sample=sample, noise=noise, timestep=timestep)
    for end in (None, timestep):
        mean = MeanFlowObjective(adaptive_power=0.0)(
            lambda noisy, at, r: weight * noisy, sample=sample, noise=noise, timestep=timestep, end_timestep=end
        )
        torch.testing.assert_close(mean.loss_per_sample, flow.loss_per_sample)
        torch.testing.assert_close(mean.loss, flow.loss)


def test_the_target_is_the_velocity_less_the_slope_along_the_path() -> None:
    sample, noise = clips(2, 1, 1, 2, 2)
    timestep, end = torch.tensor([0.5, 0.9]), torch.tensor([0.1, 0.0])
    # u = t² + 2 z: along the path du/dt = 2 t + 2 v
    output = MeanFlowObjective(adaptive_power=0.0)(
        lambda noisy, at, r: at.reshape(-1, 1, 1, 1, 1) ** 2 + 2 * noisy,
        sample=sample,
        noise=noise,
        timestep=timestep,
        end_timestep=end,
    )
    t, length = timestep.reshape(-1, 1, 1, 1, 1), (timestep - end).reshape(-1, 1, 1, 1, 1)
    velocity, noisy = noise - sample, (1 - t) * sample + t * noise
    target = velocity - length * (2 * t + 2 * velocity)
    torch.testing.assert_close(output.loss_per_sample, (t**2 + 2 * noisy - target).square().mean((1, 2, 3, 4)))


@pytest.mark.parametrize("prediction_type", ["velocity", "sample"])
def test_the_exact_mean_flow_has_no_loss(prediction_type: str) -> None:
    """Of a single clip every path leads there: u = (z_t - z_r) / (t - r) = noise - sample, whatever the interval."""
    sample, noise = torch.full((4, 2, 1, 2, 2), 0.3), torch.randn(4, 2, 1, 2, 2)
    objective = MeanFlowObjective(prediction_type=prediction_type, adaptive_power=0.0)
    timestep = torch.tensor([0.3, 0.6, 0.9, 1.0])

    def denoise(noisy: torch.Tensor, at: torch.Tensor, end: torch.Tensor) -> torch.Tensor:
        clean = torch.full_like(noisy, 0.3)
        return clean if prediction_type == "sample" else (noisy - clean) / at.reshape(-1, 1, 1, 1, 1)

    output = objective(denoise, sample=sample, noise=noise, timestep=timestep, end_timestep=0.2 * timestep)
    assert float(output.loss_per_sample.max()) < 1e-6


def test_given_frames_neither_move_nor_count() -> None:
    sample, noise = clips(2, 3, 1, 2, 2)
    timestep = torch.tensor([[0.0, 0.5, 0.5], [0.8, 0.8, 0.8]])
    seen: list[torch.Tensor] = []

    def denoise(noisy: torch.Tensor, at: torch.Tensor, end: torch.Tensor) -> torch.Tensor:
        seen.append(end)
        return noisy + noisy.mean(dim=1, keepdim=True)

    objective = MeanFlowObjective()
    ends = objective.draw_ends(timestep)
    assert ends.shape == timestep.shape
    assert (ends <= timestep).all()
    first = objective(denoise, sample=sample, noise=noise, timestep=timestep, end_timestep=ends)
    other = noise.clone()
    other[0, 0] = 9.0  # of a given frame
    again = objective(denoise, sample=sample, noise=other, timestep=timestep, end_timestep=ends)
    torch.testing.assert_close(first.loss_per_sample, again.loss_per_sample)


def test_what_cannot_be_is_refused() -> None:
    sample, noise = clips(2, 1, 1, 2, 2)
    timestep = torch.tensor([0.5, 0.5])
    with pytest.raises(ValueError, match="prediction_type='noise' says nothing of the sample"):
        MeanFlowObjective(prediction_type="noise")
    with pytest.raises(ValueError, match="end_timestep lies after timestep"):
        MeanFlowObjective()(
            lambda noisy, at, r: noisy, sample=sample, noise=noise, timestep=timestep, end_timestep=timestep + 0.1
        )


def test_one_step_lands_on_the_data_where_flow_matching_lands_between() -> None:
    """Points at -1 and 1: the velocity at pure noise leads to their mean, the mean velocity to one of them."""

    class Small(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.layers = nn.Sequential(nn.Linear(4, 64), nn.SiLU(), nn.Linear(64, 64), nn.SiLU(), nn.Linear(64, 2))

        def forward(self, noisy: torch.Tensor, at: torch.Tensor, end: torch.Tensor) -> torch.Tensor:
            flat = torch.cat((noisy.flatten(1), at[:, None], (at - end)[:, None]), dim=1)
            return self.layers(flat).reshape(noisy.shape)

    def distance(objective: FlowMatchingObjective) -> float:
        torch.manual_seed(0)
        model = Small()
        optimizer = torch.optim.Adam(model.parameters(), lr=1e-2)
        for _ in range(250):
            sample = (torch.randint(0, 2, (128, 1, 1, 1, 1)) * 2 - 1).float().expand(-1, 1, 1, 1, 2)
            noise, timestep = torch.randn(sample.shape), objective.draw_timesteps(128)
            drawn = {"sample": sample, "noise": noise, "timestep": timestep}
            if isinstance(objective, MeanFlowObjective):
                output = objective(model, **drawn, end_timestep=objective.draw_ends(timestep))
            else:
                output = objective(lambda noisy, at: model(noisy, at, at), **drawn)
            optimizer.zero_grad()
            output.loss.backward()
            optimizer.step()
        noise, one = torch.randn(512, 1, 1, 1, 2), torch.ones(512)
        end = torch.zeros(512) if isinstance(objective, MeanFlowObjective) else one
        with torch.no_grad():
            made = noise - model(noise, one, end)
        return float((made.abs() - 1).abs().mean() + (made[..., 0] - made[..., 1]).abs().mean())

    flow, mean = distance(FlowMatchingObjective()), distance(MeanFlowObjective())
    assert flow > 0.8
    assert mean < 0.4 * flow
