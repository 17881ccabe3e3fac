"""BLEU, ROUGE, exact match and perplexity against hand-worked cases."""

import math

import numpy as np
import pytest
import torch

from heygen_hf.evaluation.text_metrics import (
    bleu,
    exact_match,
    perplexity,
    perplexity_of_tokens,
    rouge,
    token_losses,
)


def test_bleu_worked_by_hand() -> None:
    # Unigrams 5/6, bigrams 4/5, trigrams 3/4, fourgrams 2/3; no brevity penalty.
    expected = (5 / 6 * 4 / 5 * 3 / 4 * 2 / 3) ** (1 / 4)
    assert bleu(["a b c d e x"], ["a b c d e f"]) == pytest.approx(expected)
    # Half the length: exp(1 - 8/4).
    assert bleu(["a b c d"], ["a b c d e f g h"]) == pytest.approx(math.exp(-1))
    assert bleu(["a red 7"], ["a red 7"], max_ngram=2) == pytest.approx(1)


def test_bleu_takes_the_best_of_several_references() -> None:
    wanted = [["x x x x x"], ["nothing like it at all", "a b c d e"]]
    assert bleu(["x x x x x", "a b c d e"], wanted) == pytest.approx(1)
    assert bleu(["x x x x x", "a b c d e"], [["x x x x x"], ["nothing like it at all"]]) < 0.7


def test_rouge_worked_by_hand() -> None:
    # Shared words: the, cat, mat: precision 3/4, recall 3/5; shared bigrams: one of 3 and 4; subsequence: the cat mat.
    figures = rouge(["the cat big mat"], ["the cat on a mat"])
    assert figures["rouge1"] == pytest.approx(2 * 3 / 9)
    assert figures["rouge2"] == pytest.approx(2 * 1 / 7)
    assert figures["rougeL"] == pytest.approx(2 * 3 / 9)
    assert rouge(["a b", "c d"], [["x", "a b"], ["y z"]], kinds=["rouge1"]) == {"rouge1": 0.5}


def test_exact_match() -> None:
    predictions, references = ["a  red 7\n", "A blue 3."], ["a red 7", "a blue 3"]
    assert exact_match(predictions, references) == 0.5
    assert exact_match(predictions, references, ignore_case=True) == 0.5
    assert exact_match(predictions, references, ignore_case=True, ignore_punctuation=True) == 1
    assert exact_match(["b"], [["a", "b"]]) == 1


@pytest.mark.parametrize("measure", [bleu, rouge, exact_match])
def test_texts_that_do_not_pair_up(measure) -> None:
    with pytest.raises(ValueError, match="1 predictions for 2"):
        measure(["a"], ["a", "b"])
    with pytest.raises(ValueError, match="empty"):
        measure([], [])
    with pytest.raises(ValueError, match="prediction 1 has no reference"):
        measure(["a", "b"], [["a"], []])


def test_perplexity_of_a_uniform_model_is_the_vocabulary() -> None:
    labels = torch.tensor([[3, 1, 4, -100], [-100, 5, 2, 6]])
    losses = token_losses(torch.zeros(2, 4, 8), labels)
    # The first token of a row is predicted by nothing; -100 is no target.
    assert losses.isnan().tolist() == [[True, False, False, True], [True, False, False, False]]
    figures = perplexity_of_tokens(losses.numpy())
    assert figures == {"perplexity": pytest.approx(8), "mean_loss": pytest.approx(math.log(8)), "num_tokens": 5}


def test_a_place_predicts_the_next_token() -> None:
    logits = torch.zeros(1, 3, 4)
    logits[0, 0, 2] = logits[0, 1, 1] = 50.0
    assert perplexity_of_tokens(token_losses((logits, "cache"), torch.tensor([[0, 2, 1]])).numpy())[
        "perplexity"
    ] == pytest.approx(1)


def test_perplexity_of_bad_losses() -> None:
    assert perplexity(1e6) == math.inf
    with pytest.raises(ValueError, match="nan"):
        perplexity(math.nan)
    with pytest.raises(ValueError, match="no token has a loss"):
        perplexity_of_tokens(np.array([[math.nan, -100.0]]))
