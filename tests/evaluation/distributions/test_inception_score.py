import numpy as np
import pytest
import torch

from heygen_hf.evaluation.distributions import ScoreStatistics, inception_score_of_logits


def test_known_constants():
    assert inception_score_of_logits(100 * torch.eye(7)) == pytest.approx(7)  # sure, and all classes
    assert inception_score_of_logits(100 * torch.eye(7)[:1].expand(9, -1)) == pytest.approx(1)  # sure, and one class
    assert inception_score_of_logits(torch.zeros(9, 7)) == pytest.approx(1)  # unsure


def test_the_mean_divergence_from_the_marginal():
    logits = torch.randn(25, 5) * 2
    given = logits.double().softmax(1)
    marginal = given.mean(0)
    divergence = (given * (given.log() - marginal.log())).sum(1).mean()
    assert inception_score_of_logits(logits) == pytest.approx(float(divergence.exp()))


@pytest.mark.parametrize("max_kept", [100, 5])
def test_streamed_and_merged_is_at_once(max_kept):
    logits = torch.randn(24, 5) * 2
    parts = []
    for rank in range(2):
        part = ScoreStatistics(max_kept_clips=max_kept)
        places = torch.arange(rank, 24, 2)
        for batch in places.split(5):
            part.update(logits[batch], batch)
        parts.append(part)
    parts[0].merge(ScoreStatistics.from_tensors(parts[1].to_tensors()))
    assert parts[0].num_clips == 24
    assert parts[0].score() == pytest.approx(inception_score_of_logits(logits), rel=1e-9)


def test_resamples_are_of_repeated_clips():
    logits = torch.randn(6, 4) * 3
    statistics = ScoreStatistics()
    statistics.update(logits)
    counts = np.array([[2, 0, 1, 3, 0, 0]])
    repeated = logits.repeat_interleave(torch.as_tensor(counts[0]), dim=0)
    assert statistics.resampled(counts)[0] == pytest.approx(inception_score_of_logits(repeated))
