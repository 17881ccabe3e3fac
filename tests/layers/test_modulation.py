import torch

from heygen_hf.layers import modulate, spread_over_tokens


def test_modulate_is_scale_then_shift() -> None:
    hidden, shift, scale = torch.randn(3, 2, 5, 8)
    torch.testing.assert_close(modulate(hidden, shift, scale), hidden * (1 + scale) + shift)


def test_each_token_gets_its_groups_values() -> None:
    groups = torch.randn(2, 1 + 3, 4)
    spread = spread_over_tokens(groups, prefix_tokens=2, tokens_per_group=5)
    expected = [0, 0, *[1] * 5, *[2] * 5, *[3] * 5]
    assert spread.shape == (2, len(expected), 4)
    for token, group in enumerate(expected):
        assert torch.equal(spread[:, token], groups[:, group])


def test_without_prefix() -> None:
    groups = torch.randn(1, 2, 4)
    assert torch.equal(spread_over_tokens(groups, prefix_tokens=0, tokens_per_group=3), groups[:, 1:].expand(1, 3, 4))
