"""Frames given in training: which, of whom, and what the loss makes of them."""

from collections.abc import Callable
from pathlib import Path

import pytest
import torch

from heygen_hf.losses import FlowMatchingObjective
from heygen_hf.training import VideoGenerationTrainer, VideoGenerationTrainingArguments
from heygen_hf.training.noise.given_frames import GivenFrames, GivenFramesSampler

MakeTrainer = Callable[..., VideoGenerationTrainer]
GRID = (6, 4, 3)


def draw(sampler: GivenFramesSampler, positions: list[int], *, step: int = 3, grid=GRID) -> GivenFrames:
    return sampler.draw(grid, positions=positions, global_batch_size=64, seed=0, step=step)


def weights(trainer: VideoGenerationTrainer) -> torch.Tensor:
    return torch.cat([weight.detach().flatten() for weight in trainer.model.parameters()])


def test_shares_are_kept_within_a_step() -> None:
    sampler = GivenFramesSampler({"none": 0.5, "first": 0.25, "first_and_last": 0.25})
    counts = draw(sampler, list(range(64))).given.sum(1)
    assert [int((counts == count).sum()) for count in (0, 1, 2)] == [32, 16, 16]


def test_patterns_give_what_they_say() -> None:
    of = {name: draw(GivenFramesSampler({name: 1.0}), list(range(64))).given for name in ("prefix", "random")}
    assert sorted({tuple(row.tolist()) for row in of["prefix"]}) == [
        tuple([True] * count + [False] * (6 - count)) for count in (1, 2, 3)
    ]
    assert {int(row.sum()) for row in of["random"]} == {1, 2, 3, 4, 5}
    longer = GivenFramesSampler({"prefix": 1.0}, max_prefix_frames=5)
    assert int(draw(longer, list(range(64))).given.sum(1).max()) == 5
    both = draw(GivenFramesSampler({"first_and_last": 1.0}), [0]).given[0]
    assert both.tolist() == [True, False, False, False, False, True]


def test_a_region_is_a_rectangle_through_the_clip() -> None:
    sampler = GivenFramesSampler({"region": 0.5, "first": 0.5})
    given = draw(sampler, list(range(64))).given
    assert given.shape == (64, *GRID)
    regions = [one for one in given if not one[0].all()]
    assert len(regions) == 32
    for one in regions:
        generated = ~one
        assert torch.equal(generated, generated[:1].expand(GRID))
        box = generated[0].any(1)[:, None] & generated[0].any(0)[None]
        assert torch.equal(box, generated[0])


def test_the_draw_depends_on_step_and_position_alone() -> None:
    sampler = GivenFramesSampler({"none": 0.2, "random": 0.8}, max_noise_std=0.5)
    whole, half = draw(sampler, list(range(64))), draw(sampler, list(range(32, 64)))
    assert torch.equal(whole.given[32:], half.given)
    assert torch.equal(whole.noise_std[32:], half.noise_std)
    assert not torch.equal(whole.given, draw(sampler, list(range(64)), step=4).given)
    assert 0 < float(whole.noise_std.min()) < float(whole.noise_std.max()) < 0.5


@pytest.mark.parametrize("pattern", ["first", "region"])
def test_noise_falls_on_what_is_given_alone(pattern: str) -> None:
    given = draw(GivenFramesSampler({pattern: 1.0}, max_noise_std=1.0), [0, 1])
    clips, noise = torch.zeros(2, 6, 3, 8, 6), torch.ones(2, 6, 3, 8, 6)
    noised = given.noised(clips, noise)
    expected = given.given if given.given.ndim == 4 else given.given[..., None, None].expand(2, *GRID)
    pixels = expected.repeat_interleave(2, 2).repeat_interleave(2, 3)[:, :, None].expand_as(clips)
    assert torch.equal(noised != 0, pixels)
    torch.testing.assert_close(noised[1][pixels[1]].unique(), given.noise_std[1:])


def test_the_loss_skips_what_is_given(make_trainer: MakeTrainer) -> None:
    """What the model predicts for given frames and patches changes nothing."""
    model = make_trainer().model.eval()
    clips, noise = torch.rand(2, 4, 3, 8, 8), torch.randn(2, 4, 3, 8, 8)
    for pattern in ("first", "region"):
        given = draw(GivenFramesSampler({pattern: 1.0}), [3, 4], grid=(4, 2, 2))
        at = given.timesteps(torch.tensor([0.3, 0.8]))
        prediction = torch.randn_like(clips)
        mask = given.given if given.given.ndim == 4 else given.given[..., None, None].expand(2, 4, 2, 2)
        pixels = mask.repeat_interleave(4, 2).repeat_interleave(4, 3)[:, :, None].expand_as(clips)
        other = torch.where(pixels, prediction + 1, prediction)
        arguments = {"sample": clips, "noise": noise, "timestep": at}
        assert torch.equal(model.objective.loss(prediction, **arguments), model.objective.loss(other, **arguments)), (
            pattern
        )
        plain = model.objective.loss(prediction, **(arguments | {"timestep": torch.tensor([0.3, 0.8])}))
        assert not torch.allclose(model.objective.loss(prediction, **arguments), plain)


def test_a_timestep_for_each_patch_is_that_of_its_frame_where_all_agree(make_trainer: MakeTrainer) -> None:
    trainer = make_trainer(max_steps=2, eval_strategy="no", save_strategy="no")
    trainer.train()
    model = trainer.model.eval()
    clips, noise, frames = torch.rand(2, 4, 3, 8, 8), torch.randn(2, 4, 3, 8, 8), torch.rand(2, 4)
    one, other = (
        model(clips, timestep=at, noise=noise).loss_per_sample
        for at in (frames, frames[..., None, None].expand(2, 4, 2, 2))
    )
    torch.testing.assert_close(one, other)
    with pytest.raises(ValueError, match=r"timestep has shape \(2, 4, 3, 3\)"):
        model(clips, timestep=torch.rand(2, 4, 3, 3), noise=noise)


def test_nothing_given_changes_nothing(make_trainer: MakeTrainer) -> None:
    without = make_trainer("without", max_steps=3)
    without.train()
    nothing = make_trainer("nothing", max_steps=3, given_frames={"none": 1.0})
    nothing.train()
    assert torch.equal(weights(without), weights(nothing))
    assert nothing.model.config.given_frame_patterns is None


def test_trains_resumes_exactly_and_logs_apart(make_trainer: MakeTrainer) -> None:
    options = {
        "max_steps": 4,
        "given_frames": {"none": 0.25, "first": 0.25, "random": 0.25, "region": 0.25},
        "given_noise": 0.1,
    }
    straight = make_trainer(**options)
    straight.train()
    resumed = make_trainer(**options)
    resumed.train(resume_from_checkpoint=str(Path(straight.args.output_dir) / "checkpoint-2"))
    assert torch.equal(weights(straight), weights(resumed))
    figures = straight.evaluate()
    assert figures == pytest.approx(figures | {k: v for k, v in straight.evaluate().items() if "loss" in k})
    names = {"eval_loss_given_first", "eval_loss_given_random", "eval_loss_given_region"}
    assert names <= figures.keys()
    parts = [figures[f"eval_loss_at_{t}"] for t in (0.1, 0.3, 0.5, 0.7, 0.9)]
    assert figures["eval_loss"] == pytest.approx(sum(parts) / 5)
    assert straight.model.config.given_frame_patterns == ["first", "random", "region"]


def test_parts_of_a_batch_are_the_batch(make_trainer: MakeTrainer) -> None:
    shares = {"none": 0.5, "prefix": 0.5}
    whole = make_trainer("whole", max_steps=3, given_frames=shares)
    parts = make_trainer(
        "parts", max_steps=3, given_frames=shares, per_device_train_batch_size=2, gradient_accumulation_steps=2
    )
    whole.train()
    parts.train()
    assert (weights(whole) - weights(parts)).abs().max() < 2e-5


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"given_frames": {"frist": 1.0}}, r"the pattern 'frist'; known are none, first"),
        ({"given_frames": {"first": 0.7}}, r"sum to 0\.7; expected 1"),
        ({"given_frames": {"first": 1.5, "none": -0.5}}, r"given_frames\.first is 1\.5; expected a share"),
        ({"given_frames": {"first": 1.0}, "given_noise": 2.0}, r"given_noise is 2\.0"),
        ({"given_noise": 0.1}, "say nothing without given_frames"),
    ],
)
def test_bad_shares_are_one_line(tmp_path: Path, values: dict, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        VideoGenerationTrainingArguments(output_dir=str(tmp_path), **values)


def test_clips_too_short_for_a_pattern_are_refused() -> None:
    with pytest.raises(ValueError, match=r"given_frames\.first needs clips of at least 2 frames"):
        draw(GivenFramesSampler({"first": 1.0}), [0], grid=(1, 2, 2))
    with pytest.raises(ValueError, match="given_prefix_frames is 6 and the clips have 6 frames"):
        draw(GivenFramesSampler({"prefix": 1.0}, max_prefix_frames=6), [0])


def test_each_row_has_its_own_timestep() -> None:
    sampler = GivenFramesSampler({"none": 0.5, "each": 0.5}).for_model(
        row_frames=2, draw_timesteps=FlowMatchingObjective().draw_timesteps
    )
    drawn, timestep = draw(sampler, list(range(64))), torch.linspace(0.01, 1, 64)
    timesteps = drawn.timesteps(timestep)
    assert not drawn.given.any()
    shared = (timesteps == timestep[:, None]).all(dim=1)
    assert shared.sum() == 32
    own = timesteps[~shared]
    assert ((own > 0) & (own <= 1)).all()
    assert torch.equal(own[:, ::2], own[:, 1::2])  # two frames a row
    assert all(len(set(row.tolist())) == 3 for row in own)
    some = draw(sampler, [5, 9])
    assert torch.equal(some.timesteps(timestep[[5, 9]]), timesteps[[5, 9]])


def test_rows_are_evaluated_at_parts_of_a_timestep() -> None:
    sampler = GivenFramesSampler({"each": 1.0}).for_model(row_frames=1, draw_timesteps=torch.rand)
    fixed = sampler.fixed("each", GRID, positions=[0, 1])
    whole, half = fixed.timesteps(torch.ones(2)), fixed.timesteps(torch.full((2,), 0.5))
    torch.testing.assert_close(whole / 2, half)
    assert ((whole > 0) & (whole <= 1)).all()
    assert torch.equal(sampler.fixed("each", GRID, positions=[1]).timesteps(torch.ones(1)), whole[1:])


def test_a_causal_model_trains_on_rows_of_their_own_timesteps(make_trainer: MakeTrainer) -> None:
    model_fields = {"attention_pattern": "causal"}
    trainer = make_trainer(given_frames={"each": 0.5, "prefix": 0.5}, model_fields=model_fields)
    trainer.train()
    assert trainer.model.config.given_frame_patterns == ["each", "prefix"]
    assert {"eval_loss_given_each", "eval_loss_given_prefix"} <= set(trainer.evaluate())
