"""The classifiers: what they read, what they learn, every problem type."""

import pytest
import torch

from heygen_hf.models.text_transformer import (
    TextTransformerForSequenceClassification,
    TextTransformerForTokenClassification,
)


@pytest.mark.parametrize(("pooling", "is_causal"), [("mean", True), ("last", True), ("mean", False), ("first", False)])
@pytest.mark.parametrize("side", ["left", "right"])
@pytest.mark.parametrize("masked", [True, False])
@torch.no_grad()
def test_pooling_reads_no_padding(scrambled, token_ids, pooling, is_causal, side, masked) -> None:
    model = scrambled(TextTransformerForSequenceClassification, classifier_pooling=pooling, is_causal=is_causal)
    ids = token_ids(2, 5)
    padding = torch.zeros(2, 3, dtype=torch.long)
    padded = torch.cat((padding, ids) if side == "left" else (ids, padding), dim=1)
    options = {"attention_mask": (padded != 0).long()} if masked else {}  # without a mask, pad_token_id tells
    torch.testing.assert_close(model(padded, **options).logits, model(ids).logits, atol=1e-5, rtol=1e-4)


@pytest.mark.parametrize(("pooling", "token"), [("last", -1), ("first", 0)])
@torch.no_grad()
def test_pooling_takes_the_token_it_names(scrambled, token_ids, pooling, token) -> None:
    model = scrambled(TextTransformerForSequenceClassification, classifier_pooling=pooling, is_causal=False)
    ids = token_ids(2, 5)
    expected = model.score(model.transformer(ids).last_hidden_state[:, token])
    torch.testing.assert_close(model(ids).logits, expected)
    torch.testing.assert_close(model(ids, attention_mask=torch.ones_like(ids)).logits, expected)


@pytest.mark.parametrize(
    ("problem_type", "num_labels", "labels"),
    [
        ("single_label_classification", 3, torch.tensor([0, 2, -100])),
        ("multi_label_classification", 3, torch.tensor([[0, 1, 1], [1, 0, 0], [0, 0, 0]])),
        ("regression", 1, torch.tensor([0.5, -1.0, 2.0])),
        ("regression", 2, torch.tensor([[0.5, 1.0], [0.0, 0.0], [2.0, -1.0]])),
    ],
)
def test_every_problem_type_has_its_loss(scrambled, token_ids, problem_type, num_labels, labels) -> None:
    model = scrambled(TextTransformerForSequenceClassification, num_labels=num_labels, problem_type=problem_type)
    output = model(token_ids(3, 5), labels=labels)
    logits = output.logits.squeeze(-1)
    expected = {
        "single_label_classification": lambda: torch.nn.functional.cross_entropy(logits[:2], labels[:2]),
        "multi_label_classification": lambda: torch.nn.functional.binary_cross_entropy_with_logits(
            logits, labels.float()
        ),
        "regression": lambda: torch.nn.functional.mse_loss(logits, labels),
    }[problem_type]()
    torch.testing.assert_close(output.loss, expected)
    # the same type follows from the labels, where they are floats or whole numbers as transformers expects
    if problem_type != "multi_label_classification" and (problem_type, num_labels) != ("regression", 2):
        model.config.problem_type = None
        torch.testing.assert_close(model(token_ids(3, 5), labels=labels).loss, expected)


def train(model: torch.nn.Module, draw, steps: int) -> torch.nn.Module:
    optimizer = torch.optim.AdamW(model.train().parameters(), lr=5e-3)
    for _ in range(steps):
        ids, labels = draw(32)
        model(ids, labels=labels).loss.backward()
        optimizer.step()
        optimizer.zero_grad()
    return model.eval()


@pytest.mark.parametrize(("pooling", "is_causal"), [("last", True), ("mean", True), ("mean", False), ("first", False)])
def test_learns_which_of_two_words_comes_first(tiny_config, pooling, is_causal) -> None:
    """A rule of order: a bag of words could not tell."""

    def draw(count: int) -> tuple[torch.Tensor, torch.Tensor]:
        ids = torch.randint(5, 24, (count, 6))
        places = torch.rand(count, 6).argsort(-1)[:, :2]
        ids.scatter_(1, places, torch.tensor([[3, 4]]).expand(count, -1))
        return ids, (places[:, 0] < places[:, 1]).long()

    config = tiny_config(num_labels=2, num_hidden_layers=1, classifier_pooling=pooling, is_causal=is_causal)
    model = train(TextTransformerForSequenceClassification(config), draw, steps=160)
    ids, labels = draw(200)
    with torch.no_grad():
        assert (model(ids).logits.argmax(-1) == labels).float().mean() >= 0.95


def test_learns_to_label_each_token_by_the_one_before(tiny_config) -> None:
    def draw(count: int) -> tuple[torch.Tensor, torch.Tensor]:
        ids = torch.randint(1, 24, (count, 8))
        labels = ids.roll(1, dims=1) % 3
        labels[:, 0] = -100
        return ids, labels

    model = train(TextTransformerForTokenClassification(tiny_config(num_labels=3)), draw, steps=160)
    ids, labels = draw(100)
    with torch.no_grad():
        right = model(ids).logits.argmax(-1) == labels
    assert right[:, 1:].float().mean() >= 0.95
