import pytest
import torch
from safetensors.torch import load, save

from heygen_hf.evaluation.distributions import FeatureStatistics


def statistics_of(features, *, splits, max_kept_clips=1000):
    """Counted in pieces, each with the indices of its clips."""
    statistics = FeatureStatistics(max_kept_clips=max_kept_clips)
    for places in splits:
        statistics.update(features[places], torch.as_tensor(places))
    return statistics


@pytest.fixture
def features():
    # far from the origin: sums of squares would lose the digits that count
    return torch.randn(60, 7) + 1e4


def test_streamed_is_at_once_to_the_last_bit_while_all_are_kept(features):
    at_once = statistics_of(features, splits=[range(60)])
    streamed = statistics_of(features, splits=[range(40, 60), range(7), range(7, 40)])
    assert torch.equal(at_once.mean, streamed.mean)
    assert torch.equal(at_once.covariance, streamed.covariance)
    assert torch.allclose(at_once.covariance, torch.cov(features.double().T), rtol=1e-10)


def test_beyond_what_is_kept_it_is_exact_to_rounding(features):
    few = statistics_of(features, splits=[range(0, 30), range(30, 60)], max_kept_clips=10)
    assert not few.is_complete
    assert len(few.kept) == 10
    assert torch.allclose(few.mean, features.double().mean(0), rtol=1e-12)
    assert torch.allclose(few.covariance, torch.cov(features.double().T), rtol=1e-9)


def test_processes_merge_to_what_one_counts(features):
    shares = [range(rank, 60, 3) for rank in range(3)]
    for max_kept in (1000, 10):
        whole = statistics_of(features, splits=[range(60)], max_kept_clips=max_kept)
        merged = FeatureStatistics(max_kept_clips=max_kept)
        for share in reversed(shares):
            part = statistics_of(features, splits=[share], max_kept_clips=max_kept)
            merged.merge(FeatureStatistics.from_tensors(load(save(part.to_tensors()))))
        assert (merged.count, merged.num_clips) == (60, 60)
        assert torch.equal(merged.kept, whole.kept)  # which are kept depends on their indices alone
        assert torch.allclose(merged.covariance, whole.covariance, rtol=1e-9)
        if max_kept == 1000:
            assert torch.equal(merged.covariance, whole.covariance)


def test_several_vectors_a_clip_count_each():
    features = torch.randn(5, 4, 3)
    statistics = FeatureStatistics()
    statistics.update(features)
    assert (statistics.num_clips, statistics.count) == (5, 20)
    assert torch.allclose(statistics.covariance, torch.cov(features.flatten(0, 1).double().T))
    moment = features.flatten(0, 1).double()
    assert torch.allclose(statistics.second_moment, moment.T @ moment / 20)


def test_memory_does_not_grow_with_the_clips():
    statistics = FeatureStatistics(max_kept_clips=4)
    statistics.update(torch.randn(8, 3))
    sizes = {name: tensor.numel() for name, tensor in statistics.to_tensors().items()}
    for _ in range(20):
        statistics.update(torch.randn(8, 3))
    assert {name: tensor.numel() for name, tensor in statistics.to_tensors().items()} == sizes
    assert statistics.num_clips == 168


def test_a_clip_that_is_counted_twice_is_named(features):
    statistics = statistics_of(features, splits=[range(10)])
    with pytest.raises(ValueError, match="clip 9 was counted twice"):
        statistics.update(features[9:12], torch.arange(9, 12))
    with pytest.raises(ValueError, match="counted twice"):
        statistics.merge(statistics_of(features, splits=[range(5, 8)]))


def test_features_of_another_size_are_refused(features):
    statistics = statistics_of(features, splits=[range(10)])
    with pytest.raises(ValueError, match=r"features have shape \(2, 1, 8\); expected \(clips, 1, 7\)"):
        statistics.update(torch.randn(2, 8))
    other = FeatureStatistics()
    other.update(torch.randn(2, 8))
    with pytest.raises(ValueError, match="they come from another network"):
        statistics.merge(other)
