import pytest
import torch

from heygen_hf.layers import patch_grid, patchify, unpatchify


@pytest.mark.parametrize("patch_size", [(1, 1, 1), (2, 4, 4), (4, 2, 8), (8, 4, 2)])
def test_inverse_is_exact(patch_size: tuple[int, int, int]) -> None:
    video = torch.randn(2, 8, 3, 16, 24)
    grid = patch_grid(8, 16, 24, patch_size)
    tokens = patchify(video, patch_size)
    assert tokens.shape == (2, grid[0] * grid[1] * grid[2], 3 * patch_size[0] * patch_size[1] * patch_size[2])
    assert torch.equal(unpatchify(tokens, grid, patch_size), video)


def test_a_token_is_its_block() -> None:
    video, (pt, ph, pw) = torch.randn(1, 4, 3, 8, 8), (2, 4, 2)
    tokens = patchify(video, (pt, ph, pw))
    t, row, column = 1, 0, 3
    token = tokens[0, (t * 2 + row) * 4 + column]
    block = video[0, t * pt : (t + 1) * pt, :, row * ph : (row + 1) * ph, column * pw : (column + 1) * pw]
    assert torch.equal(token.view(pt, ph, pw, 3), block.permute(0, 2, 3, 1))


def test_names_the_nearest_sizes() -> None:
    with pytest.raises(ValueError, match=r"frames=7 is not a multiple of its patch size 4: use 4 or 8"):
        patch_grid(7, 32, 32, (4, 4, 4))
    with pytest.raises(ValueError, match=r"width=30 .* use 28 or 32"):
        patch_grid(8, 32, 30, (4, 4, 4))
    with pytest.raises(ValueError, match=r"height=2 .* use 4"):
        patch_grid(8, 2, 32, (4, 4, 4))
