import torch

from heygen_hf.losses import FlowMatchingObjective
from heygen_hf.training.noise.randomness import draw_noise, generator_for, positions_in_global_batch


def draw(positions: list[int], *, step: int = 3, seed: int = 0):
    return draw_noise(
        (2, 3, 4, 4),
        positions=positions,
        global_batch_size=8,
        seed=seed,
        step=step,
        condition_dropout=0.5,
        draw_timesteps=FlowMatchingObjective().draw_timesteps,
    )


def test_parts_of_a_batch_are_what_the_whole_batch_has() -> None:
    whole, first, second = draw(list(range(8))), draw([0, 1, 2, 3]), draw([4, 5, 6, 7])
    for name in ("noise", "timestep", "condition_dropout_mask"):
        parts = torch.cat((getattr(first, name), getattr(second, name)))
        assert torch.equal(getattr(whole, name), parts)


def test_every_sample_step_and_seed_differs() -> None:
    whole = draw(list(range(8)))
    assert len({tuple(noise.flatten().tolist()) for noise in whole.noise}) == 8
    assert not torch.equal(whole.noise, draw(list(range(8)), step=4).noise)
    assert not torch.equal(whole.noise, draw(list(range(8)), seed=1).noise)


def test_timesteps_are_stratified_over_the_global_batch() -> None:
    assert sorted((draw(list(range(8))).timestep * 8 - 1e-6).long().tolist()) == list(range(8))


def test_noise_is_standard_normal_over_neighbouring_streams() -> None:
    values = torch.stack([torch.randn(1, generator=generator_for(0, step, 2, 0)) for step in range(2000)])
    assert abs(values.mean()) < 0.1
    assert abs(values.std() - 1) < 0.1


def test_positions_follow_how_batches_are_dealt() -> None:
    # Two ranks, two accumulation steps, two samples each.
    dealt = {
        (micro, rank): positions_in_global_batch(
            batch_size=2, nominal_batch_size=2, micro_step=micro, rank=rank, world_size=2
        )
        for micro in (0, 1)
        for rank in (0, 1)
    }
    assert dealt == {(0, 0): [0, 2], (0, 1): [1, 3], (1, 0): [4, 6], (1, 1): [5, 7]}


def test_dropping_each_condition_leaves_the_draw_for_all_as_it_is() -> None:
    def mask(positions: list[int], **options: int) -> torch.Tensor:
        return draw_noise(
            (1,),
            positions=positions,
            global_batch_size=64,
            seed=0,
            step=3,
            condition_dropout=0.25,
            draw_timesteps=FlowMatchingObjective().draw_timesteps,
            **options,
        ).condition_dropout_mask

    everyone = list(range(64))
    together, separate = mask(everyone), mask(everyone, separate_conditions=3)
    assert separate.shape == (64, 3)
    assert separate[together].all()
    assert (separate[~together].sum(dim=1) == 1).any()
    assert torch.equal(mask([5, 40], separate_conditions=3), separate[[5, 40]])
