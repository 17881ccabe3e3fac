import math
import random
import string

import pytest
import torch

from heygen_hf.data.text.byte_pairs import build_byte_pair_tokenizer
from heygen_hf.evaluation.language_modeling import (
    TextBits,
    byte_ngram_bits,
    measure_bits_per_byte,
    measure_generation,
    xz_bits_per_byte,
)
from heygen_hf.models.text_transformer import TextTransformerConfig, TextTransformerForCausalLM

LONG = "a b c d e f g h " * 10
TEXTS = ["short", LONG, "é"]


@pytest.fixture(scope="module")
def tokenizer():
    return build_byte_pair_tokenizer([], vocab_size_limit=259)  # nothing but bytes


@pytest.fixture
def model(tokenizer):
    torch.manual_seed(0)
    config = TextTransformerConfig(
        vocab_size=len(tokenizer),
        hidden_size=32,
        num_hidden_layers=2,
        num_attention_heads=2,
        pad_token_id=tokenizer.pad_token_id,
        bos_token_id=tokenizer.bos_token_id,
        eos_token_id=tokenizer.eos_token_id,
    )
    model = TextTransformerForCausalLM(config).eval()
    with torch.no_grad():  # so that what was read makes a difference
        for weight in model.parameters():
            if weight.ndim == 2:
                weight.normal_(std=0.2)
    return model


@pytest.mark.parametrize("stride", [None, 1, 7, 15])
def test_a_model_that_knows_nothing_pays_for_every_byte_and_end_once(model, tokenizer, stride):
    with torch.no_grad():
        model.lm_head.weight.zero_()
    bits = measure_bits_per_byte(model, tokenizer, TEXTS, max_length=16, stride=stride, batch_size=3)
    a_guess = math.log2(len(tokenizer))
    lengths = [len(text.encode()) for text in TEXTS]
    assert bits.num_bytes == tuple(lengths)
    assert bits.num_tokens == sum(lengths) + len(TEXTS)
    assert bits.bits == pytest.approx([(length + 1) * a_guess for length in lengths], rel=1e-5)
    assert bits.value == pytest.approx(sum(bits.bits) / sum(lengths))
    assert bits.perplexity == pytest.approx(len(tokenizer), rel=1e-4)


def test_one_window_is_the_loss_of_the_model(model, tokenizer):
    bits = measure_bits_per_byte(model, tokenizer, TEXTS, max_length=512)
    for text, measured in zip(TEXTS, bits.bits, strict=True):
        ids = torch.tensor([[*tokenizer(text)["input_ids"], tokenizer.eos_token_id]])
        loss = model(input_ids=ids, labels=ids).loss.item()
        assert measured == pytest.approx(loss * (ids.shape[1] - 1) / math.log(2), rel=1e-4)


def test_every_window_reads_what_stands_before_it(model, tokenizer):
    """The tokens that the second window predicts cost what they cost after that window's own context."""
    tokens = torch.tensor([[*tokenizer(LONG[:20])["input_ids"], tokenizer.eos_token_id]])  # 22
    bits = measure_bits_per_byte(model, tokenizer, [LONG[:20]], max_length=16, stride=8)
    with torch.no_grad():
        first = model(input_ids=tokens[:, :16]).logits.log_softmax(-1)
        second = model(input_ids=tokens[:, 6:]).logits.log_softmax(-1)
    costs = [first[0, place - 1, tokens[0, place]] for place in range(1, 16)]
    costs += [second[0, place - 6 - 1, tokens[0, place]] for place in range(16, 22)]
    assert bits.bits[0] == pytest.approx(-sum(costs).item() / math.log(2), rel=1e-4)


def test_a_tokenizer_without_a_start_pays_a_guess_for_the_first_token(model):
    tokenizer = build_byte_pair_tokenizer([], vocab_size_limit=259, add_start=False)
    bits = measure_bits_per_byte(model, tokenizer, ["ab"], max_length=16)
    ids = torch.tensor([[*tokenizer("ab")["input_ids"], tokenizer.eos_token_id]])
    rest = model(input_ids=ids, labels=ids).loss.item() * 2 / math.log(2)
    assert bits.bits[0] == pytest.approx(math.log2(259) + rest, rel=1e-4)
    assert bits.num_tokens == 3


def test_bad_input(model, tokenizer):
    with pytest.raises(ValueError, match="stride=16"):
        measure_bits_per_byte(model, tokenizer, TEXTS, max_length=16, stride=16)
    with pytest.raises(ValueError, match="an empty one"):
        measure_bits_per_byte(model, tokenizer, ["a", ""], max_length=16)


def test_the_interval_holds_the_value_and_narrows_with_more_documents():
    generator = random.Random(0)
    costs = [generator.uniform(100, 300) for _ in range(400)]

    def of(count: int) -> tuple[float, float, float]:
        bits = TextBits(bits=tuple(costs[:count]), num_bytes=(100,) * count, num_tokens=count)
        return bits.value, *bits.interval()

    value, low, high = of(20)
    assert low < value < high
    more, closer, further = of(400)
    assert closer < more < further
    assert further - closer < (high - low) / 2


def test_the_cache_changes_no_token_and_is_counted(model, tokenizer):
    speed = measure_generation(model, tokenizer, ["one", "another"], max_new_tokens=12)
    assert speed.num_unchanged == 2
    assert speed.num_tokens == 24
    assert speed.tokens_per_second > 0
    assert speed.tokens_per_second_without_cache > 0


def test_an_ngram_has_learned_what_it_saw_and_charges_for_the_rest():
    text = "the same words again and again. " * 20
    assert byte_ngram_bits([text], [text]).value < 0.2
    assert byte_ngram_bits([text], ["qzqxjkvw" * 5]).value > 8


@pytest.mark.parametrize("order", [1, 3, 6])
def test_an_ngram_cannot_beat_the_entropy_of_random_letters(order):
    """64 letters at random carry 6 bits each: probabilities that add up to more than 1 would seem to do better."""
    generator = random.Random(order)
    letters = (string.ascii_letters + string.digits + "+-")[:64]
    train, held_out = (["".join(generator.choices(letters, k=5000)) for _ in range(4)] for _ in range(2))
    bits = byte_ngram_bits(train, held_out, order=order)
    assert 5.98 < bits.value < 6.6
    assert bits.num_bytes == (5000,) * 4
    assert bits.num_tokens == 4 * 5001


def test_longer_ngrams_predict_language_better():
    import ast

    text = ast.__doc__ + "".join(str(getattr(ast, name).__doc__) for name in sorted(dir(ast)))
    half = len(text) // 2
    values = [byte_ngram_bits([text[:half]], [text[half:]], order=order).value for order in (1, 2, 4)]
    assert values == sorted(values, reverse=True)


def test_an_ngram_of_no_order_or_no_text():
    with pytest.raises(ValueError, match="order=8"):
        byte_ngram_bits(["a"], ["a"], order=8)
    with pytest.raises(ValueError, match="no text"):
        byte_ngram_bits([], ["a"])


def test_xz_finds_what_it_has_seen():
    generator = random.Random(0)
    train = ["".join(generator.choices(string.printable, k=2000)) for _ in range(5)]
    strange = ["".join(generator.choices(string.printable, k=2000))]
    assert xz_bits_per_byte(train, [train[2]]) < 0.3
    assert xz_bits_per_byte(train, strange) > math.log2(len(string.printable)) - 0.1
