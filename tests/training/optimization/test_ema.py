import pytest
import torch
from torch import nn

from heygen_hf.training import ExponentialMovingAverage


def test_matches_a_plain_reference() -> None:
    model = nn.Linear(3, 2)
    average = ExponentialMovingAverage(model, decay=0.9)
    expected = model.weight.detach().clone()
    for update in range(1, 30):
        with torch.no_grad():
            model.weight.add_(torch.randn(2, 3))
        average.update()
        decay = min(0.9, (1 + update) / (10 + update))
        expected = decay * expected + (1 - decay) * model.weight.detach()
    torch.testing.assert_close(average.state_dict()["weight"], expected)


def test_applied_restores_the_weights_bit_for_bit_even_after_an_error() -> None:
    model = nn.Linear(3, 2)
    average = ExponentialMovingAverage(model, decay=0.5)
    with torch.no_grad():
        model.weight.add_(1)
    own = model.weight.detach().clone()

    def fail_inside() -> None:
        with average.applied():
            assert not torch.equal(model.weight, own)
            raise RuntimeError

    with pytest.raises(RuntimeError):
        fail_inside()
    assert torch.equal(model.weight, own)


def test_bfloat16_weights_are_averaged_in_float32() -> None:
    model = nn.Linear(1, 1, bias=False).to(torch.bfloat16)
    nn.init.ones_(model.weight)
    average = ExponentialMovingAverage(model, decay=0.999)
    nn.init.constant_(model.weight, 1.0078125)
    for _ in range(2000):
        average.update()
    assert average.state_dict()["weight"].dtype == torch.float32
    assert average.state_dict()["weight"].item() > 1.006


def test_file_round_trip_and_foreign_files(tmp_path) -> None:
    average = ExponentialMovingAverage(nn.Linear(3, 2), decay=0.9)
    average.update()
    average.save(tmp_path / "ema.safetensors")
    other = ExponentialMovingAverage(nn.Linear(3, 2), decay=0.9)
    other.load(tmp_path / "ema.safetensors")
    assert other.num_updates == 1
    assert torch.equal(other.state_dict()["weight"], average.state_dict()["weight"])
    with pytest.raises(ValueError, match="averages of another model"):
        ExponentialMovingAverage(nn.Sequential(nn.Linear(3, 2)), decay=0.9).load(tmp_path / "ema.safetensors")


def test_refuses_a_decay_of_one() -> None:
    with pytest.raises(ValueError, match=r"ema_decay=1\.0"):
        ExponentialMovingAverage(nn.Linear(1, 1), decay=1.0)
