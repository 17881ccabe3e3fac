import torch
import torch.nn.functional as F

from heygen_hf.layers import FeedForward, GatedFeedForward


def test_gated_matches_the_formula() -> None:
    layer, hidden = GatedFeedForward(8, 12), torch.randn(2, 3, 8)
    gate, up, down = (layer.gate_proj.weight, layer.up_proj.weight, layer.down_proj.weight)
    expected = (F.silu(hidden @ gate.T) * (hidden @ up.T)) @ down.T
    torch.testing.assert_close(layer(hidden), expected)


def test_plain_matches_the_formula() -> None:
    layer, hidden = FeedForward(8, 12), torch.randn(2, 3, 8)
    torch.testing.assert_close(layer(hidden), F.gelu(hidden @ layer.up_proj.weight.T) @ layer.down_proj.weight.T)
