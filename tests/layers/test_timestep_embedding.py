import math

import pytest
import torch

from heygen_hf.layers import timestep_features


def test_matches_the_formula() -> None:
    timestep = torch.rand(2, 3)
    features = timestep_features(timestep, 6)
    assert features.shape == (2, 3, 6)
    for i in range(3):
        angle = timestep * 1000 * math.exp(-math.log(10_000) * i / 3)
        torch.testing.assert_close(features[..., i], angle.cos(), atol=1e-4, rtol=1e-4)
        torch.testing.assert_close(features[..., 3 + i], angle.sin(), atol=1e-4, rtol=1e-4)


def test_nearby_timesteps_differ_and_stay_float32() -> None:
    features = timestep_features(torch.tensor([0.5, 0.501], dtype=torch.float64), 64)
    assert features.dtype == torch.float32
    assert not torch.allclose(features[0], features[1])


def test_refuses_odd_sizes() -> None:
    with pytest.raises(ValueError, match="must be even, got 5"):
        timestep_features(torch.rand(2), 5)
