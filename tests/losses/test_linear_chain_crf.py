"""The CRF against the enumeration of every sequence."""

import itertools

import pytest
import torch

from heygen_hf.losses import LinearChainCRF, bio_transitions

LABELS = 3


def make_crf(**options) -> LinearChainCRF:
    crf = LinearChainCRF(LABELS, **options).double()
    with torch.no_grad():
        for parameter in crf.parameters():
            parameter.copy_(torch.randn_like(parameter))
    return crf


def score(crf: LinearChainCRF, logits: torch.Tensor, sequence: tuple[int, ...]) -> torch.Tensor:
    """The plain definition, for the kept tokens `(tokens, labels)` of one text."""
    total = crf.start[sequence[0]] + crf.end[sequence[-1]]
    for position, label in enumerate(sequence):
        total = total + logits[position, label]
    for before, after in itertools.pairwise(sequence):
        total = total + crf.transitions[before, after]
    return total


def all_sequences(length: int, allowed: list | None = None) -> list[tuple[int, ...]]:
    every = itertools.product(range(LABELS), repeat=length)
    return [s for s in every if allowed is None or all(allowed[a][b] for a, b in itertools.pairwise(s))]


@pytest.fixture
def logits() -> torch.Tensor:
    return 2 * torch.randn(4, 5, LABELS, dtype=torch.float64)


@pytest.fixture
def mask() -> torch.Tensor:
    # whole, padded at the end, with holes, one token
    return torch.tensor([[1, 1, 1, 1, 1], [1, 1, 1, 0, 0], [0, 1, 0, 1, 1], [0, 0, 1, 0, 0]]).bool()


def test_likelihood_equals_enumeration(logits: torch.Tensor, mask: torch.Tensor) -> None:
    crf = make_crf(reduction="none")
    labels = torch.randint(0, LABELS, mask.shape)
    for item, loss in enumerate(crf(logits, labels.masked_fill(~mask, -100), mask)):
        kept, gold = logits[item][mask[item]], tuple(labels[item][mask[item]].tolist())
        scores = torch.stack([score(crf, kept, sequence) for sequence in all_sequences(len(gold))])
        torch.testing.assert_close(loss, scores.logsumexp(0) - score(crf, kept, gold))


def test_likelihoods_of_all_sequences_sum_to_one(logits: torch.Tensor) -> None:
    crf = make_crf(reduction="none")
    labels = torch.tensor(all_sequences(5))
    likelihood = (-crf(logits[:1].expand(len(labels), -1, -1), labels)).exp()
    torch.testing.assert_close(likelihood.sum(), torch.tensor(1.0, dtype=torch.float64))


@pytest.mark.parametrize("restricted", [False, True])
def test_decoding_finds_the_best_of_all(logits: torch.Tensor, mask: torch.Tensor, restricted: bool) -> None:
    allowed = [[True, True, False], [False, True, True], [True, False, True]] if restricted else None
    crf = make_crf(allowed_transitions=allowed)
    labels, scores = crf.decode(logits, mask)
    assert (labels[~mask] == -100).all()
    for item in range(len(mask)):
        kept = logits[item][mask[item]]
        best = max(all_sequences(len(kept), allowed), key=lambda s, kept=kept: score(crf, kept, s))
        assert tuple(labels[item][mask[item]].tolist()) == best
        torch.testing.assert_close(scores[item], score(crf, kept, best))


def test_forbidden_transitions_have_no_probability(logits: torch.Tensor) -> None:
    allowed, starts = bio_transitions(["O", "B-name", "I-name"])
    assert allowed == [[True, True, False], [True, True, True], [True, True, True]]
    assert starts == [True, True, False]
    crf = make_crf(allowed_transitions=allowed, allowed_starts=starts, reduction="none")
    possible = [s for s in all_sequences(5, allowed) if starts[s[0]]]
    likelihood = (-crf(logits[:1].expand(len(possible), -1, -1), torch.tensor(possible))).exp()
    torch.testing.assert_close(likelihood.sum(), torch.tensor(1.0, dtype=torch.float64))
    with pytest.raises(ValueError, match="the transition 0 -> 2, which allowed_transitions rules out"):
        crf(logits[:1], torch.tensor([[0, 2, 0, 0, 0]]))
    with pytest.raises(ValueError, match="the start 2, which allowed_starts rules out"):
        crf(logits[:1], torch.tensor([[2, 0, 0, 0, 0]]))


def test_gradients(logits: torch.Tensor, mask: torch.Tensor) -> None:
    crf = make_crf(allowed_ends=[True, True, False])
    labels = torch.zeros(4, 5, dtype=torch.long)
    logits.requires_grad_()
    assert torch.autograd.gradcheck(lambda x, *_: crf(x, labels, mask), (logits, *crf.parameters()))


def test_padding_and_holes_change_nothing(logits: torch.Tensor, mask: torch.Tensor) -> None:
    crf = make_crf(reduction="none")
    labels = torch.randint(0, LABELS, mask.shape)
    torch.testing.assert_close(crf(logits, labels, mask)[2], crf(logits[2:3, [1, 3, 4]], labels[2:3, [1, 3, 4]])[0])
    empty = mask.clone()
    empty[1] = False  # a text without any token that counts
    assert crf(logits, labels, empty)[1] == 0
    assert crf.decode(logits, empty)[1][1] == 0


def test_learns_transitions_that_no_token_shows() -> None:
    """Labels alternate and the logits say nothing: only the transitions can tell."""
    crf = LinearChainCRF(2)
    labels = torch.tensor([[0, 1, 0, 1, 0, 1]])
    optimizer = torch.optim.Adam(crf.parameters(), lr=0.2)
    for _ in range(30):
        loss = crf(torch.zeros(1, 6, 2), labels)
        loss.backward()
        optimizer.step()
        optimizer.zero_grad()
    assert loss < 0.1
    assert torch.equal(crf.decode(torch.zeros(1, 6, 2))[0], labels)


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: LinearChainCRF(0), "num_labels=0 must be at least 1"),
        (lambda: LinearChainCRF(3, allowed_transitions=[[True]]), r"has shape \(1, 1\): expected \(3, 3\)"),
        (
            lambda: LinearChainCRF(3)(torch.zeros(1, 2, 4), torch.zeros(1, 2).long()),
            r"expected \(batch, tokens, labels=3",
        ),
        (lambda: LinearChainCRF(3)(torch.zeros(1, 2, 3), torch.tensor([[0, 3]])), r"label 3 is outside \[0, 3\)"),
        (lambda: LinearChainCRF(3)(torch.zeros(1, 2, 3), torch.zeros(1, 2).long(), torch.ones(1, 3)), "mask has shape"),
        (lambda: LinearChainCRF(3)(torch.zeros(1, 2, 3), torch.zeros(1, 3).long()), r"labels have shape \(1, 3\)"),
    ],
)
def test_bad_input_is_named(call, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        call()
