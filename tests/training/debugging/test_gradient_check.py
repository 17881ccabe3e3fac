import pytest
import torch
from torch import nn

from heygen_hf.training.debugging.gradient_check import Fixed, check_gradients
from heygen_hf.training.debugging.own_pieces import own_pieces


class _Doubled(torch.autograd.Function):
    @staticmethod
    def forward(_ctx, tensor):
        return tensor * 2

    @staticmethod
    def backward(_ctx, gradient):
        return gradient * 3


def test_a_wrong_backward_is_told_in_one_line() -> None:
    found = check_gradients(_Doubled.apply, [torch.randn(2)], name="doubled")

    assert "backward says 3 where differences say 2" in found.problem
    assert "\n" not in str(found)
    assert str(found).startswith("doubled: ")


def test_a_detached_part_is_found() -> None:
    found = check_gradients(lambda x: x * x.detach(), [torch.randn(3)])

    assert found.problem is not None


def test_a_right_function_passes_and_its_inputs_stay_as_they_were() -> None:
    x, module = torch.randn(3), nn.Linear(3, 2)
    before = x.clone()

    assert check_gradients(module, [x]).problem is None
    assert torch.equal(x, before)
    assert x.grad is None


def test_what_is_fixed_is_not_differentiated() -> None:
    def divided(x: torch.Tensor, by: torch.Tensor) -> torch.Tensor:
        return x / by.detach()

    assert check_gradients(divided, [torch.randn(2), Fixed(torch.ones(2))]).problem is None
    assert check_gradients(divided, [torch.randn(2), torch.ones(2)]).problem is not None


def test_dropout_draws_the_same_each_time() -> None:
    assert check_gradients(nn.Dropout(0.5), [torch.randn(6)]).problem is None


def test_an_error_inside_is_told_and_not_raised() -> None:
    found = check_gradients(torch.matmul, [torch.randn(2, 3), torch.randn(2, 3)])

    assert "cannot be computed" in found.problem


def test_nothing_to_differentiate_is_refused() -> None:
    with pytest.raises(ValueError, match="nothing to differentiate"):
        check_gradients(torch.sum, [torch.tensor([1, 2])])


@pytest.mark.parametrize(("name", "check"), own_pieces(), ids=lambda value: value if isinstance(value, str) else "")
def test_own_losses_and_layers_agree_with_finite_differences(name: str, check) -> None:
    torch.manual_seed(0)

    found = check()

    assert found.name == name
    assert found.problem is None
