import pytest
import torch

from heygen_hf.losses import shift_timesteps, stratified_uniform


def test_one_value_in_each_bin() -> None:
    values = stratified_uniform(64)
    assert sorted((values * 64).long().tolist()) == list(range(64))


def test_order_is_random_and_follows_the_generator() -> None:
    draws = [stratified_uniform(16, generator=torch.Generator().manual_seed(seed)) for seed in (1, 1, 2)]
    assert torch.equal(draws[0], draws[1])
    assert not torch.equal(draws[0], draws[2])
    assert not torch.equal(draws[0], draws[0].sort().values)


def test_shift_moves_mass_towards_noise_and_keeps_the_ends() -> None:
    uniform = torch.tensor([0.0, 0.5, 1.0])
    torch.testing.assert_close(shift_timesteps(uniform, 4.0), torch.tensor([0.0, 0.8, 1.0]))
    torch.testing.assert_close(shift_timesteps(uniform, 1.0), uniform)


def test_refuses_a_shift_that_is_not_positive() -> None:
    with pytest.raises(ValueError, match="must be positive, got 0"):
        shift_timesteps(torch.rand(2), 0)
