from heygen_hf.training.epoch_sampler import EpochSampler


def test_every_clip_is_visited_and_the_last_batch_filled_with_the_first_clips() -> None:
    sampler = EpochSampler(10, multiple_of=4, seed=0)
    order = list(sampler)
    assert len(sampler) == len(order) == 12
    assert sorted(order[:10]) == list(range(10))
    assert order[10:] == order[:2]


def test_order_is_a_function_of_seed_and_epoch() -> None:
    sampler, other = EpochSampler(20, multiple_of=1, seed=0), EpochSampler(20, multiple_of=1, seed=1)
    first = list(sampler)
    assert first == list(sampler)
    assert first != list(other)
    sampler.set_epoch(1)
    assert first != list(sampler)
    sampler.set_epoch(0)
    assert first == list(sampler)


def test_fewer_clips_than_a_batch_are_repeated() -> None:
    order = list(EpochSampler(3, multiple_of=7, seed=0))
    assert order == [*order[:3], *order[:3], order[0]]
    assert sorted(order[:3]) == [0, 1, 2]
