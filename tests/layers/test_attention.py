import pytest
import torch
import torch.nn.functional as F
from torch import nn
from transformers import LlamaConfig, LlamaForCausalLM

from heygen_hf.layers import eager_attention, masked_mean, matmul_attention, stream_mask


def reference(query: torch.Tensor, key: torch.Tensor, value: torch.Tensor, mask: torch.Tensor | None) -> torch.Tensor:
    """Softmax attention written out token by token, (batch, heads, tokens, head_dim)."""
    batch, heads, tokens, size = query.shape
    result = torch.zeros_like(query)
    for b in range(batch):
        for h in range(heads):
            for i in range(tokens):
                scores = key[b, h] @ query[b, h, i] / size**0.5
                if mask is not None:
                    scores = scores.masked_fill(~mask[b, 0, i], float("-inf"))
                result[b, h, i] = F.softmax(scores, dim=0) @ value[b, h]
    return result.transpose(1, 2)


@pytest.fixture
def heads() -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    return tuple(torch.randn(3, 2, 2, 5, 8))


@pytest.fixture
def mask() -> torch.Tensor:
    keep = torch.tensor([[1, 1, 1, 0, 0], [1, 1, 1, 1, 1]]).bool()
    return keep[:, None, None].expand(-1, 1, 5, -1)


@pytest.mark.parametrize("masked", [True, False])
def test_both_match_the_reference(heads: tuple, mask: torch.Tensor, masked: bool) -> None:
    keep = mask if masked else None
    expected = reference(*heads, keep)
    module = nn.Module().eval()
    mixed, nothing = matmul_attention(module, *heads, keep, scaling=8**-0.5)
    assert nothing is None
    torch.testing.assert_close(mixed, expected)
    additive = None if keep is None else torch.zeros(keep.shape).masked_fill(~keep, float("-inf"))
    mixed, weights = eager_attention(module, *heads, additive, scaling=8**-0.5)
    torch.testing.assert_close(mixed, expected)
    torch.testing.assert_close(weights.sum(-1), torch.ones(2, 2, 5))
    if masked:
        assert weights[0, :, :, 3:].abs().max() == 0


def test_gradients_match_sdpa(heads: tuple) -> None:
    inputs = [tensor.clone().requires_grad_() for tensor in heads]
    matmul_attention(nn.Module(), *inputs, None, scaling=8**-0.5)[0].square().sum().backward()
    others = [tensor.clone().requires_grad_() for tensor in heads]
    F.scaled_dot_product_attention(*others).square().sum().backward()
    for ours, theirs in zip(inputs, others, strict=True):
        torch.testing.assert_close(ours.grad, theirs.grad)


def test_fewer_key_heads() -> None:
    query, key, value = torch.randn(1, 4, 3, 8), torch.randn(1, 2, 3, 8), torch.randn(1, 2, 3, 8)
    mixed, _ = matmul_attention(nn.Module(), query, key, value, None, scaling=8**-0.5)
    torch.testing.assert_close(
        mixed.transpose(1, 2), F.scaled_dot_product_attention(query, key, value, enable_gqa=True)
    )


def test_stream_mask_never_hides_video() -> None:
    assert stream_mask(None, video_tokens=3) is None
    assert stream_mask(torch.tensor([[1, 0]]), video_tokens=3).tolist() == [[True, False, True, True, True]]


def test_masked_mean_skips_padding() -> None:
    tokens, mask = torch.randn(3, 4, 2), torch.tensor([[1, 1, 0, 0], [1, 1, 1, 1], [0, 0, 0, 0]])
    mean = masked_mean(tokens, mask)
    torch.testing.assert_close(mean[0], tokens[0, :2].mean(0))
    torch.testing.assert_close(mean[1], tokens[1].mean(0))
    assert mean[2].abs().max() == 0


def test_matmul_is_causal_in_a_causal_model_of_transformers() -> None:
    import heygen_hf.models  # noqa: F401 (registers the attention)

    config = LlamaConfig(
        vocab_size=17,
        hidden_size=16,
        intermediate_size=16,
        num_hidden_layers=1,
        num_attention_heads=2,
        num_key_value_heads=1,
        attn_implementation="eager",
    )
    model = LlamaForCausalLM(config).eval()
    input_ids = torch.randint(0, 17, (2, 6))
    with torch.no_grad():
        expected = model(input_ids).logits
        model.set_attn_implementation("matmul")
        found = model(input_ids).logits
    torch.testing.assert_close(found, expected, atol=1e-5, rtol=1e-4)
