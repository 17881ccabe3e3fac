"""Which token may read which: causality, padding, packed documents, grouped heads."""

import pytest
import torch
from transformers import AttentionInterface
from transformers.masking_utils import AttentionMaskInterface, flash_attention_mask

from heygen_hf.data.text.collators import TextCollator
from heygen_hf.layers import eager_attention
from heygen_hf.models.text_transformer import TextTransformerForCausalLM, TextTransformerModel

IMPLEMENTATIONS = ("eager", "sdpa", "matmul")


@pytest.mark.parametrize("implementation", IMPLEMENTATIONS)
@torch.no_grad()
def test_a_later_token_changes_earlier_states_only_where_all_read_all(scrambled, token_ids, implementation) -> None:
    ids = token_ids(2, 7)
    other = ids.clone()
    other[:, 5] = ids[:, 5] % 23 + 1
    causal = scrambled(TextTransformerModel, attn_implementation=implementation)
    change = (causal(ids).last_hidden_state - causal(other).last_hidden_state).abs().amax((0, 2))
    assert (change[:5] == 0).all()
    assert (change[5:] > 1e-3).all()
    both_ways = scrambled(TextTransformerModel, attn_implementation=implementation, is_causal=False)
    change = (both_ways(ids).last_hidden_state - both_ways(other).last_hidden_state).abs().amax((0, 2))
    assert (change > 1e-3).all()


@torch.no_grad()
def test_order_matters(scrambled, token_ids) -> None:
    model = scrambled(TextTransformerModel, is_causal=False)
    ids = token_ids(1, 6)
    swapped = ids[:, [0, 2, 1, 3, 4, 5]]
    assert not torch.allclose(model(ids).last_hidden_state[:, 0], model(swapped).last_hidden_state[:, 0], atol=1e-3)


@pytest.mark.parametrize("is_causal", [True, False])
@pytest.mark.parametrize("side", ["left", "right"])
@pytest.mark.parametrize("implementation", IMPLEMENTATIONS)
def test_padding_changes_no_state(scrambled, token_ids, is_causal, side, implementation) -> None:
    model = scrambled(TextTransformerModel, is_causal=is_causal, attn_implementation=implementation)
    ids = token_ids(2, 5)
    padding, ones = torch.full((2, 3), 9), torch.ones(2, 5, dtype=torch.long)
    left = side == "left"
    padded = torch.cat((padding, ids) if left else (ids, padding), dim=1)
    mask = torch.cat((0 * padding, ones) if left else (ones, 0 * padding), dim=1)
    states = model(padded, attention_mask=mask).last_hidden_state
    real = states[:, 3:] if left else states[:, :5]
    torch.testing.assert_close(real, model(ids).last_hidden_state, atol=1e-5, rtol=1e-4)
    real.square().sum().backward()  # rows that read nothing must not poison the gradients
    assert all(torch.isfinite(weight.grad).all() for weight in model.parameters())


@torch.no_grad()
def test_grouped_heads_equal_their_repetition(scrambled, token_ids) -> None:
    grouped = scrambled(TextTransformerModel, num_key_value_heads=2)
    full = scrambled(TextTransformerModel, num_key_value_heads=4)
    state = grouped.state_dict()
    for name, value in state.items():
        if "k_proj" in name or "v_proj" in name:
            state[name] = value.view(2, 8, 32).repeat_interleave(2, dim=0).reshape(32, 32)
    full.load_state_dict(state)
    ids = token_ids(2, 6)
    torch.testing.assert_close(grouped(ids).last_hidden_state, full(ids).last_hidden_state)


def packed_row(token_ids) -> dict[str, torch.Tensor]:
    """Two rows of documents: 3 + 4 tokens, then 5 tokens and 2 of padding."""
    return {
        "input_ids": token_ids(2, 7),
        "attention_mask": torch.tensor([[1] * 7, [1] * 5 + [0] * 2]),
        "position_ids": torch.tensor([[0, 1, 2, 0, 1, 2, 3], [0, 1, 2, 3, 4, 0, 0]]),
        "sequence_ids": torch.tensor([[1, 1, 1, 2, 2, 2, 2], [1] * 5 + [0] * 2]),
    }


DOCUMENTS = ((0, slice(0, 3)), (0, slice(3, 7)), (1, slice(0, 5)))  # row and tokens


@pytest.mark.parametrize("is_causal", [True, False])
@pytest.mark.parametrize("implementation", IMPLEMENTATIONS)
def test_packed_documents_equal_the_documents_alone(scrambled, token_ids, is_causal, implementation) -> None:
    model = scrambled(TextTransformerModel, is_causal=is_causal, attn_implementation=implementation)
    row = packed_row(token_ids)
    packed = model(**row).last_hidden_state
    for index, tokens in DOCUMENTS:
        alone = model(row["input_ids"][index : index + 1, tokens]).last_hidden_state
        torch.testing.assert_close(packed[index : index + 1, tokens], alone, atol=1e-5, rtol=1e-4)
    packed[row["attention_mask"] == 1].square().sum().backward()
    assert all(torch.isfinite(weight.grad).all() for weight in model.parameters())


@pytest.mark.parametrize("is_causal", [True, False])
@torch.no_grad()
def test_positions_that_start_again_mark_documents(scrambled, token_ids, is_causal) -> None:
    model = scrambled(TextTransformerModel, is_causal=is_causal)
    row = packed_row(token_ids)
    ids, positions = row["input_ids"][:1], row["position_ids"][:1]
    packed = model(ids, position_ids=positions).last_hidden_state
    torch.testing.assert_close(packed[:, 3:], model(ids[:, 3:]).last_hidden_state, atol=1e-5, rtol=1e-4)


@torch.no_grad()
def test_flash_attention_is_told_the_documents(scrambled, token_ids) -> None:
    """A flash kernel gets no mask but the places where documents begin; the reference here reads just those."""

    def attend_within(module, query, key, value, attention_mask, scaling, cu_seq_lens_q=None, **kwargs):
        assert attention_mask is None
        batch, heads, length, size = query.shape
        flat = [part.transpose(0, 1).reshape(1, -1, batch * length, size) for part in (query, key, value)]
        mixed = []
        for begin, end in zip(cu_seq_lens_q[:-1].tolist(), cu_seq_lens_q[1:].tolist(), strict=True):
            within = [part[:, :, begin:end] for part in flat]
            later = torch.full((end - begin, end - begin), float("-inf")).triu(1)
            mixed.append(eager_attention(module, *within, later, scaling)[0])
        return torch.cat(mixed, dim=1).reshape(batch, length, heads, size), None

    AttentionInterface.register("flash_attention_reference", attend_within)
    AttentionMaskInterface.register("flash_attention_reference", flash_attention_mask)
    row = packed_row(token_ids)
    model = scrambled(TextTransformerModel)
    expected = model(**row).last_hidden_state
    model.config._attn_implementation = "flash_attention_reference"
    real = row["attention_mask"] == 1
    torch.testing.assert_close(model(**row).last_hidden_state[real], expected[real], atol=1e-5, rtol=1e-4)


@torch.no_grad()
def test_a_collators_packed_batch_has_the_loss_of_its_documents(scrambled) -> None:
    class Padding:
        pad_token_id = 0

    model = scrambled(TextTransformerForCausalLM)
    documents = [[5, 6, 7, 8], [9, 3, 4], [11, 12]]
    rows = [
        {
            "input_ids": documents[0] + documents[1],
            "position_ids": [0, 1, 2, 3, 0, 1, 2],
            "sequence_ids": [1, 1, 1, 1, 2, 2, 2],
        },
        {"input_ids": documents[2], "position_ids": [0, 1], "sequence_ids": [1, 1]},
    ]
    packed = model(**TextCollator(Padding())(rows)).loss
    alone = [model(torch.tensor([ids]), labels=torch.tensor([ids])).loss * (len(ids) - 1) for ids in documents]
    torch.testing.assert_close(packed, sum(alone) / sum(len(ids) - 1 for ids in documents))


@torch.no_grad()
def test_packed_rows_compile_and_export(scrambled, token_ids) -> None:
    model, row = scrambled(TextTransformerModel), packed_row(token_ids)
    expected = model(**row).last_hidden_state
    compiled = torch.compile(model, fullgraph=True, backend="eager")
    torch.testing.assert_close(compiled(**row).last_hidden_state, expected, atol=1e-5, rtol=1e-4)
    torch.compiler.reset()
    exported = torch.export.export(model, args=(), kwargs=row, strict=False)
    torch.testing.assert_close(exported.module()(**row).last_hidden_state, expected, atol=1e-5, rtol=1e-4)
