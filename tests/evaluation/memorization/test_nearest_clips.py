"""The search for the nearest clips: what it finds is what looking at everything at once finds."""

import pytest
import torch

from heygen_hf.evaluation.memorization import NearestClips, find_nearest_clips, pixel_features


def in_batches(features: torch.Tensor, size: int):
    for start in range(0, len(features), size):
        some = features[start : start + size]
        yield some, torch.arange(start, start + len(some))


@pytest.mark.parametrize("size", [1, 7, 300])
def test_batches_find_what_all_at_once_find(size: int) -> None:
    generator = torch.Generator().manual_seed(0)
    queries, clips = torch.randn(5, 16, generator=generator), torch.randn(300, 16, generator=generator)
    found = find_nearest_clips(queries, in_batches(clips, size), top_k=4)
    exact = torch.cdist(queries.double(), clips.double(), compute_mode="donot_use_mm_for_euclid_dist")
    expected = exact.topk(4, largest=False)
    assert torch.equal(found.indices, expected.indices)
    torch.testing.assert_close(found.distances, expected.values)
    assert found.num_seen == 300


def test_a_copy_is_at_distance_zero_and_nearly_a_copy_is_not() -> None:
    # far from the origin, where products of matrices lose the digits of small distances
    clips = 1000 + torch.randn(50, 8, generator=torch.Generator().manual_seed(0)).double()
    near = clips[7].clone()
    near[0] += 1e-3
    found = find_nearest_clips(torch.stack([clips[7], near]), in_batches(clips, 9), top_k=1)
    assert found.indices[:, 0].tolist() == [7, 7]
    assert found.distances[0, 0] == 0
    assert float(found.distances[1, 0]) == pytest.approx(1e-3, rel=1e-6)


def test_the_nearest_of_several_views_counts_and_is_named() -> None:
    clips = torch.eye(4)
    queries = torch.stack([torch.stack([clips[0] * 3, clips[2]]), torch.stack([clips[1], clips[3] * 5])])
    found = find_nearest_clips(queries, in_batches(clips, 2), top_k=1)
    assert found.indices[:, 0].tolist() == [2, 1]
    assert found.views[:, 0].tolist() == [1, 0]
    assert found.distances[:, 0].tolist() == [0, 0]


def test_fewer_clips_than_asked_for_leave_places_empty() -> None:
    found = find_nearest_clips(torch.zeros(1, 3), in_batches(torch.ones(2, 3), 2), top_k=4)
    assert found.indices[0].tolist() == [0, 1, -1, -1]
    assert found.distances[0, 2:].isinf().all()


def test_bad_input_is_refused() -> None:
    with pytest.raises(ValueError, match="no clips to look among"):
        find_nearest_clips(torch.zeros(1, 3), iter(()))
    with pytest.raises(ValueError, match="one length and size"):
        NearestClips(torch.zeros(1, 3)).update(torch.zeros(2, 4), torch.arange(2))
    with pytest.raises(ValueError, match=r"queries have shape \(3,\)"):
        NearestClips(torch.zeros(3))


def test_pixel_distance_is_the_root_mean_square_of_the_difference() -> None:
    features = pixel_features(size=8)
    black, white = torch.zeros(1, 4, 3, 16, 16), torch.ones(1, 4, 3, 16, 16)
    assert float((features(black) - features(white)).norm()) == pytest.approx(1, abs=1e-6)
    assert float((features(black) - features(white / 4)).norm()) == pytest.approx(0.25, abs=1e-6)
    assert features.describe()["weights_hash"]
