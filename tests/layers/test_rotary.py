import pytest
import torch

from heygen_hf.layers import (
    apply_rotary,
    caption_positions,
    grid_positions,
    rotary_embedding,
    split_rotary_bands,
)


def test_bands_use_every_plane() -> None:
    assert split_rotary_bands(64) == (12, 10, 10)
    for head_dim in range(6, 130, 2):
        assert sum(split_rotary_bands(head_dim)) == head_dim // 2
        assert min(split_rotary_bands(head_dim)) >= 1


@pytest.mark.parametrize("head_dim", [4, 7])
def test_refuses_heads_that_cannot_carry_three_axes(head_dim: int) -> None:
    with pytest.raises(ValueError, match=f"head_dim={head_dim}"):
        split_rotary_bands(head_dim)


def test_matches_complex_multiplication() -> None:
    positions, head_dim, theta = grid_positions(2, 3, 4), 24, 50.0
    heads = torch.randn(2, 3, len(positions), head_dim)
    exponents = [torch.arange(n) / n for n in split_rotary_bands(head_dim)]
    angle = torch.cat([positions[:, [i]] * theta ** -exponents[i] for i in range(3)], dim=-1)
    turned = torch.complex(heads[..., : head_dim // 2], heads[..., head_dim // 2 :]) * torch.exp(1j * angle)
    expected = torch.cat((turned.real, turned.imag), dim=-1)
    torch.testing.assert_close(apply_rotary(heads, *rotary_embedding(positions, head_dim, theta=theta)), expected)


def test_scores_depend_on_relative_positions_only() -> None:
    query, key = torch.randn(1, 1, 1, 32), torch.randn(1, 1, 1, 32)

    def score(at: list[int], other: list[int]) -> torch.Tensor:
        turned = [
            apply_rotary(heads, *rotary_embedding(torch.tensor([position]), 32))
            for heads, position in ((query, at), (key, other))
        ]
        return (turned[0] * turned[1]).sum()

    torch.testing.assert_close(score([1, 2, 3], [4, 0, 1]), score([11, 7, 5], [14, 5, 3]))
    assert not torch.isclose(score([1, 2, 3], [4, 0, 1]), score([1, 2, 3], [4, 0, 2]))


def test_caption_tokens_share_no_position_with_video() -> None:
    everything = torch.cat((caption_positions(5), grid_positions(2, 2, 2)))
    assert len(everything.unique(dim=0)) == len(everything)


def test_grid_order_is_time_row_column() -> None:
    assert grid_positions(1, 2, 2).tolist() == [[0, 0, 0], [0, 0, 1], [0, 1, 0], [0, 1, 1]]
