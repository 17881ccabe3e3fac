from types import SimpleNamespace

import pytest
import torch

from heygen_hf.losses import FlowMatchingObjective
from heygen_hf.pipelines.block_caching import BlockCache, cached_blocks
from heygen_hf.pipelines.given_frames import GivenLatents
from heygen_hf.pipelines.guidance import Guidance, GuidedModel, guidance_of, without_layers

CAPTION = "a red 7 moves left"
SHAPE = (2, 2, 3, 4, 4)


class Additive(torch.nn.Module):
    """Predicts what its conditions sum up to: 1 for the caption, 10 for the class, 100 for the sound, times the spread
    of the clip's mean, so that every row is a known number; and notes the rows it was asked for."""

    dtype = torch.float32

    def __init__(self) -> None:
        super().__init__()
        self.rows: list[int] = []

    def forward(self, noisy, timestep, *, condition_dropout_mask=None, **conditions) -> SimpleNamespace:
        self.rows.append(len(noisy))
        kept = torch.ones(len(noisy), 3)
        if condition_dropout_mask is not None:
            mask = condition_dropout_mask if condition_dropout_mask.ndim == 2 else condition_dropout_mask[:, None]
            kept = kept * ~mask
        present = [name in conditions for name in ("input_ids", "class_ids", "audio_features")]
        said = (kept * torch.tensor([1.0, 10.0, 100.0]) * torch.tensor(present)).sum(1)
        return SimpleNamespace(sample=said.reshape(-1, 1, 1, 1, 1) + 0 * noisy)


def ask(guidance: Guidance, conditions: tuple[str, ...] = ("input_ids",), at: float = 0.5, calls: int = 1):
    model = Additive()
    rows = {name: torch.zeros(2, 1) for name in conditions}
    guided = GuidedModel(model, guidance, rows, objective=FlowMatchingObjective())
    noisy, timestep = torch.randn(SHAPE), torch.full((2,), at)
    found = [float(guided(noisy, timestep, at=at).mean()) for _ in range(calls)]
    return found, model.rows, guided.num_rows


def test_one_number_guides_by_all_conditions_together() -> None:
    both = ("input_ids", "class_ids")
    assert ask(Guidance(scale=1.0), both) == ([11.0], [2], 1)
    assert ask(Guidance(scale=3.0), both) == ([33.0], [4], 2)
    assert ask(Guidance(scale=0.0), both) == ([0.0], [4], 2)
    assert ask(Guidance(scale=3.0), ()) == ([0.0], [2], 1)


def test_each_condition_is_guided_by_its_own_scale() -> None:
    # all + (3 - 1) * (all - all without the caption) + (1.5 - 1) * (all - all without the sound)
    scales = {"caption": 3.0, "class": 1.0, "audio": 1.5}
    found = ask(Guidance(scale=scales), ("input_ids", "class_ids", "audio_features"))
    assert found == ([111 + 2 * 1 + 0.5 * 100], [6], 3)
    with pytest.raises(ValueError, match="guidance_scale names 'audio', and this call has no audio"):
        ask(Guidance(scale={"audio": 2.0}))
    with pytest.raises(ValueError, match="guidance_scale names 'image', and no frames are given"):
        ask(Guidance(scale={"image": 2.0}))
    with pytest.raises(ValueError, match="guidance_scale names 'colour'; expected some of caption, class, audio"):
        Guidance(scale={"colour": 2.0})
    with pytest.raises(ValueError, match="caption=None is no scale of guidance"):
        Guidance(scale={"caption": None})


def test_saved_scales_of_what_a_call_lacks_say_nothing() -> None:
    saved = {"caption": 3.0, "audio": 2.0, "image": 4.0}
    assert ask(guidance_of({}, default_scale=saved)) == ([3.0], [4], 2)
    assert ask(guidance_of({}, default_scale={"audio": 2.0})) == ([1.0], [2], 1)
    with pytest.raises(ValueError, match="names 'audio', and this call has no audio"):
        ask(guidance_of({"guidance_scale": saved}, default_scale=1.0))


def test_given_frames_are_guided_by_what_hides_them() -> None:
    seen: list[tuple[torch.Tensor, torch.Tensor]] = []

    class First(torch.nn.Module):
        """Predicts the first frame everywhere."""

        def forward(self, noisy, timestep, **conditions) -> SimpleNamespace:
            seen.append((noisy, timestep))
            return SimpleNamespace(sample=noisy[:, :1].expand_as(noisy))

    clip, noise = torch.rand(SHAPE), torch.randn(SHAPE)
    kept = GivenLatents(clip, torch.tensor([[True, False]] * 2), (1, 1, 1))
    objective = FlowMatchingObjective()
    model = GuidedModel(First(), Guidance(scale={"image": 3.0}), {}, objective=objective, kept=kept, noise=noise)
    noisy, timestep = kept.put(torch.randn(SHAPE)), kept.timesteps(torch.full((2,), 0.8))
    found = model(noisy, timestep, at=0.8)
    hidden = 0.2 * clip[:, :1] + 0.8 * noise[:, :1]
    torch.testing.assert_close(found, (clip[:, :1] + 2 * (clip[:, :1] - hidden)).expand_as(found))
    assert seen[0][1].tolist() == pytest.approx(torch.tensor([[0.0, 0.8]] * 2 + [[0.8, 0.8]] * 2))


def test_outside_the_interval_a_step_costs_one_row() -> None:
    guidance = Guidance(scale=3.0, interval=(0.2, 0.6))
    assert ask(guidance, at=0.7) == ([1.0], [2], 1)
    assert ask(guidance, at=0.6) == ([3.0], [4], 2)
    for interval in ((0.6, 0.2), (-0.1, 0.5), (0.5, 1.5)):
        with pytest.raises(ValueError, match="guidance_interval"):
            Guidance(interval=interval)
    with pytest.raises(ValueError, match=r"guidance_interval=\(0.1, 0.5, 0.9\) must be two timesteps"):
        guidance_of({"guidance_interval": (0.1, 0.5, 0.9)}, default_scale=1.0)


def test_the_difference_is_used_again_between_evaluations() -> None:
    found, rows, count = ask(Guidance(scale=3.0, every=3), calls=5)
    assert found == [3.0] * 5
    assert rows == [4, 2, 2, 4, 2]
    assert count == 7


def test_rescaling_brings_the_spread_back() -> None:
    class Spread(torch.nn.Module):
        def forward(self, noisy, timestep, *, condition_dropout_mask=None, **conditions) -> SimpleNamespace:
            return SimpleNamespace(sample=torch.where(condition_dropout_mask.reshape(-1, 1, 1, 1, 1), 0.5, 1.0) * noisy)

    noisy, conditions = torch.randn(SHAPE), {"input_ids": torch.zeros(2, 1)}
    for rescale, factor in ((0.0, 3.0), (1.0, 1.0), (0.5, 2.0)):
        guidance = Guidance(scale=5.0, rescale=rescale)
        model = GuidedModel(Spread(), guidance, conditions, objective=FlowMatchingObjective())
        torch.testing.assert_close(model(noisy, torch.full((2,), 0.5), at=0.5), factor * noisy)


def test_rescaling_looks_at_what_is_generated_alone() -> None:
    class Second(torch.nn.Module):
        """Guides the second frame, and says wild things of the first, which is given."""

        def forward(self, noisy, timestep, *, condition_dropout_mask=None, **conditions) -> SimpleNamespace:
            strength = torch.where(condition_dropout_mask.reshape(-1, 1, 1, 1, 1), 0.5, 1.0)
            return SimpleNamespace(sample=torch.cat((1000 * noisy[:, :1], strength * noisy[:, 1:]), dim=1))

    noisy, conditions = torch.randn(SHAPE), {"input_ids": torch.zeros(2, 1)}
    kept = GivenLatents(torch.rand(SHAPE), torch.tensor([[True, False]] * 2), (1, 1, 1))
    guidance = Guidance(scale=5.0, rescale=1.0)
    model = GuidedModel(Second(), guidance, conditions, objective=FlowMatchingObjective(), kept=kept)
    found = model(noisy, kept.timesteps(torch.full((2,), 0.5)), at=0.5)
    torch.testing.assert_close(found[:, 1:], noisy[:, 1:])


def test_skipped_layers_are_pushed_away_from(build_given_pipeline) -> None:
    pipeline = build_given_pipeline(num_hidden_layers=2)
    transformer, objective = pipeline.transformer, FlowMatchingObjective(prediction_type="sample")
    noisy, timestep = torch.randn(1, 4, 3, 8, 12), torch.full((1,), 0.5)
    with torch.no_grad():
        plain = transformer(noisy, timestep).sample
        with without_layers(transformer, [1]):
            assert len(transformer.layers) == 1
            weaker = transformer(noisy, timestep).sample
        assert len(transformer.layers) == 2
        guidance = Guidance(skip_layers=[-1], skip_scale=2.0)
        found = GuidedModel(transformer, guidance, {}, objective=objective)(noisy, timestep, at=0.5)
    torch.testing.assert_close(found, plain + 2 * (plain - weaker))
    with pytest.raises(ValueError, match="skip_guidance_layers has 2; this model has layers 0 to 1"):
        GuidedModel(transformer, Guidance(skip_layers=[2]), {}, objective=objective)


def test_skipped_layers_behind_a_block_cache_and_between_evaluations(build_given_pipeline) -> None:
    pipeline = build_given_pipeline(num_hidden_layers=3, prediction_type="velocity")
    options = {"num_inference_steps": 4, "guidance_scale": 1.0, "skip_guidance_layers": [1]}
    plain = run(pipeline, **options)
    assert plain.num_rows == 8
    # a threshold that nothing keeps: every block computed, and the skipped one missing from the weaker model
    torch.testing.assert_close(run(pipeline, block_cache_threshold=1e-9, **options).frames, plain.frames)
    assert not torch.allclose(plain.frames, run(pipeline, num_inference_steps=4, guidance_scale=1.0).frames, atol=1e-3)
    assert run(pipeline, guidance_every=4, **options).num_rows == 5


def run(pipeline, **options: object):
    return pipeline(CAPTION, generator=torch.Generator().manual_seed(0), output_type="pt", **options)


def test_a_call_says_what_it_cost(build_given_pipeline) -> None:
    pipeline = build_given_pipeline(num_hidden_layers=2)
    plain = run(pipeline, num_inference_steps=4)
    assert (plain.num_function_evaluations, plain.num_rows) == (4, 8)
    unguided = run(pipeline, num_inference_steps=4, guidance_scale=1.0, sampler="heun")
    assert (unguided.num_function_evaluations, unguided.num_rows) == (7, 7)
    cheaper = run(pipeline, num_inference_steps=4, guidance_interval=(0.4, 0.9), guidance_every=2)
    assert cheaper.num_rows < plain.num_rows
    # a caption is the only condition here: guiding by it is guiding by all
    torch.testing.assert_close(run(pipeline, guidance_scale={"caption": 2.0}).frames, run(pipeline).frames)
    smooth = build_given_pipeline(prediction_type="velocity")
    for weight in smooth.transformer.parameters():
        weight.data.mul_(0.5)
    adaptive = run(smooth, sampler="dopri5", rtol=1e-2, atol=1e-2)
    assert 7 < adaptive.num_function_evaluations < 60
    many = run(smooth, num_inference_steps=60)
    assert (adaptive.frames - many.frames).abs().mean() < 0.02
    with pytest.raises(ValueError, match="no steps to call callback_on_step_end after"):
        run(pipeline, sampler="dopri5", callback_on_step_end=lambda *arguments: {})
    with pytest.raises(ValueError, match=r"block_cache_threshold=0.2 needs a solver that goes from step to step"):
        run(pipeline, sampler="dopri5", block_cache_threshold=0.2)


class TestBlockCache:
    def test_off_changes_nothing_and_on_leaves_blocks_out(self, build_given_pipeline) -> None:
        pipeline = build_given_pipeline(num_hidden_layers=3, prediction_type="velocity")
        for weight in pipeline.transformer.parameters():
            weight.data.mul_(0.5)
        layers = pipeline.transformer.layers
        plain = run(pipeline, num_inference_steps=12)
        off = run(pipeline, num_inference_steps=12, block_cache_threshold=0.0)
        assert torch.equal(plain.frames, off.frames)
        assert off.num_reused == 0
        some = run(pipeline, num_inference_steps=12, block_cache_threshold=0.4)
        every = run(pipeline, num_inference_steps=12, block_cache_threshold=1e9)
        assert 0 < some.num_reused < every.num_reused == 11
        assert 0 < (some.frames - plain.frames).abs().mean() < (every.frames - plain.frames).abs().mean()
        assert pipeline.transformer.layers is layers

    def test_what_is_reused_is_what_the_other_blocks_added(self) -> None:
        calls: list[int] = []

        class Add(torch.nn.Module):
            def __init__(self, index: int) -> None:
                super().__init__()
                self.index = index

            def forward(self, hidden_states, scale):
                calls.append(self.index)
                return hidden_states + scale * 10**self.index

        cache = BlockCache(torch.nn.ModuleList([Add(0), Add(1), Add(2)]), threshold=0.15)
        hidden = torch.zeros(1, 2, 3)
        assert float(cache(hidden, 1.0).mean()) == 111
        assert float(cache(hidden, 1.1).mean()) == pytest.approx(111.1)  # 1.1 of the first, 110 kept
        assert float(cache(hidden, 1.2).mean()) == pytest.approx(133.2)  # 20 % off what was computed with
        assert float(cache(torch.zeros(2, 2, 3), 1.2).mean()) == pytest.approx(133.2)
        assert calls == [0, 1, 2, 0, 0, 1, 2, 0, 1, 2]
        assert (cache.num_calls, cache.num_reused) == (4, 1)

    def test_what_cannot_be_is_refused(self, build_given_pipeline) -> None:
        with pytest.raises(ValueError, match="this model has no other"):
            run(build_given_pipeline(), block_cache_threshold=0.1)
        with (
            pytest.raises(ValueError, match=r"block_cache_threshold=-0.1 must be 0"),
            cached_blocks(build_given_pipeline().transformer, -0.1),
        ):
            pass
