"""Continuing texts: the cache changes no token, whatever the way of choosing them; constraints hold."""

import pytest
import torch
from transformers import AutoModelForCausalLM, StaticCache

from heygen_hf.models.text_transformer import TextTransformerForCausalLM

WAYS = {
    "greedy": {"do_sample": False},
    "sampling": {"do_sample": True, "temperature": 1.3, "top_p": 0.95},
    "beams": {"do_sample": False, "num_beams": 3, "num_return_sequences": 2, "length_penalty": 0.5},
    "sampled beams": {"do_sample": True, "num_beams": 2},
}


def prompts(token_ids) -> dict[str, torch.Tensor]:
    """Three prompts of 5, 3 and 4 tokens, padded on the left."""
    mask = torch.tensor([[1] * 5, [0, 0, 1, 1, 1], [0, 1, 1, 1, 1]])
    return {"input_ids": token_ids(3, 5) * mask, "attention_mask": mask}


@pytest.mark.parametrize("implementation", ["eager", "sdpa", "matmul"])
@pytest.mark.parametrize("way", WAYS)
def test_the_cache_changes_no_token(scrambled, token_ids, way, implementation) -> None:
    model = scrambled(TextTransformerForCausalLM, attn_implementation=implementation)
    runs = []
    for use_cache in (True, False):
        torch.manual_seed(3)
        runs.append(
            model.generate(**prompts(token_ids), max_new_tokens=12, use_cache=use_cache, pad_token_id=0, **WAYS[way])
        )
    assert torch.equal(*runs)
    assert runs[0].shape[1] == 17


@torch.no_grad()
def test_logits_in_pieces_equal_logits_at_once(scrambled, token_ids) -> None:
    model, ids = scrambled(TextTransformerForCausalLM), token_ids(2, 9)
    expected = model(ids).logits
    first = model(ids[:, :4], use_cache=True)
    second = model(ids[:, 4:8], past_key_values=first.past_key_values)
    third = model(ids[:, 8:], past_key_values=second.past_key_values)
    pieces = torch.cat((first.logits, second.logits, third.logits), dim=1)
    torch.testing.assert_close(pieces, expected, atol=1e-5, rtol=1e-4)
    torch.testing.assert_close(model(ids, logits_to_keep=2).logits, expected[:, -2:], atol=1e-5, rtol=1e-4)
    assert model(ids, use_cache=False).past_key_values is None
    assert model.train()(ids).past_key_values is None


def test_a_static_cache_gives_the_same_tokens(scrambled, token_ids) -> None:
    model, batch = scrambled(TextTransformerForCausalLM), prompts(token_ids)
    expected = model.generate(**batch, max_new_tokens=8, do_sample=False)
    cache = StaticCache(config=model.config, max_cache_len=20)
    static = model.generate(**batch, max_new_tokens=8, do_sample=False, past_key_values=cache, disable_compile=True)
    assert torch.equal(static, expected)


def test_a_batch_continues_as_its_texts_alone(scrambled, token_ids) -> None:
    model, batch = scrambled(TextTransformerForCausalLM), prompts(token_ids)
    together = model.generate(**batch, max_new_tokens=8, do_sample=False)
    for row in range(3):
        text = batch["input_ids"][row, batch["attention_mask"][row] == 1][None]
        alone = model.generate(input_ids=text, max_new_tokens=8, do_sample=False)
        assert alone[0, -8:].tolist() == together[row, -8:].tolist()


def test_embeddings_continue_as_their_ids(scrambled, token_ids) -> None:
    model, ids = scrambled(TextTransformerForCausalLM), token_ids(2, 5)
    expected = model.generate(input_ids=ids, max_new_tokens=6, do_sample=False)
    embeddings = model.get_input_embeddings()(ids)
    continued = model.generate(inputs_embeds=embeddings, max_new_tokens=6, do_sample=False)
    assert torch.equal(continued, expected[:, 5:])


def test_speculation_gives_the_greedy_tokens(scrambled) -> None:
    model = scrambled(TextTransformerForCausalLM)
    prompt = torch.tensor([[5, 6, 7, 5, 6, 7, 5, 6]])
    expected = model.generate(input_ids=prompt, max_new_tokens=10, do_sample=False)
    guessed = model.generate(input_ids=prompt, max_new_tokens=10, do_sample=False, prompt_lookup_num_tokens=3)
    assert torch.equal(guessed, expected)


@pytest.mark.parametrize("num_beams", [1, 3])
def test_constraints_hold(scrambled, token_ids, num_beams) -> None:
    model, batch = scrambled(TextTransformerForCausalLM), prompts(token_ids)
    options = {"max_new_tokens": 8, "do_sample": False, "num_beams": num_beams}
    free = model.generate(**batch, **options)[:, 5:]

    allowed = model.generate(**batch, **options, prefix_allowed_tokens_fn=lambda row, so_far: [3, 4, 5])[:, 5:]
    assert set(allowed.unique().tolist()) <= {3, 4, 5}

    banned = sorted(set(free.unique().tolist()))[:3]
    without = model.generate(**batch, **options, bad_words_ids=[[token] for token in banned])[:, 5:]
    assert not set(without.unique().tolist()) & set(banned)

    wanted = next(token for token in range(1, 24) if token not in free)
    biased = model.generate(**batch, **options, sequence_bias=[[[wanted], 100.0]])[:, 5:]
    assert set(biased.unique().tolist()) == {wanted}


def test_generation_stops_at_the_end_token(scrambled, token_ids) -> None:
    model = scrambled(TextTransformerForCausalLM)
    ids = token_ids(1, 5)
    free = model.generate(input_ids=ids, max_new_tokens=8, do_sample=False)
    end = int(free[0, 7])
    stopped = model.generate(input_ids=ids, max_new_tokens=8, do_sample=False, eos_token_id=end)
    assert stopped[0].tolist() == free[0, : 5 + free[0, 5:].tolist().index(end) + 1].tolist()


def test_a_saved_model_continues_alike(scrambled, token_ids, tmp_path) -> None:
    model, batch = scrambled(TextTransformerForCausalLM), prompts(token_ids)
    model.generation_config.max_new_tokens = 6
    expected = model.generate(**batch, do_sample=False)
    model.save_pretrained(tmp_path)
    loaded = AutoModelForCausalLM.from_pretrained(tmp_path)
    assert type(loaded) is TextTransformerForCausalLM
    assert torch.equal(loaded.generate(**batch, do_sample=False), expected)
    assert expected.shape[1] == 11
