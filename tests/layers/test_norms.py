import pytest
import torch

from heygen_hf.layers import RMSNorm, rms_norm


@pytest.mark.parametrize("weighted", [True, False])
def test_matches_the_formula(weighted: bool) -> None:
    hidden, weight = torch.randn(3, 5, 16), torch.randn(16) if weighted else None
    expected = hidden / (hidden.pow(2).mean(-1, keepdim=True) + 1e-6).sqrt()
    expected = expected if weight is None else expected * weight
    torch.testing.assert_close(rms_norm(hidden, weight, eps=1e-6), expected)


def test_keeps_bfloat16_with_a_float32_weight() -> None:
    assert RMSNorm(8)(torch.randn(2, 8, dtype=torch.bfloat16)).dtype == torch.bfloat16


def test_weight_is_learned() -> None:
    norm = RMSNorm(8)
    norm(torch.randn(4, 8)).square().sum().backward()
    assert norm.weight.grad is not None
    assert norm.weight.grad.abs().sum() > 0
