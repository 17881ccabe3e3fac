"""Rows made from cached earlier ones are those of the whole clip."""

from collections.abc import Callable

import pytest
import torch
from transformers import DynamicCache

from heygen_hf.layers import rotary_embedding
from heygen_hf.models.video_transformer import VideoTransformerCache, VideoTransformerModel

CAUSAL = {"attention_pattern": "causal"}
SLIDING = {"attention_pattern": "causal", "attention_window": 2}
BLOCKS = {"attention_pattern": "block_causal", "attention_block": 2}
SLIDING_BLOCKS = {"attention_pattern": "block_causal", "attention_block": 2, "attention_window": 1}
Inputs = Callable[..., dict[str, torch.Tensor]]


def rows_of(inputs: dict[str, torch.Tensor], start: int, stop: int) -> dict[str, torch.Tensor]:
    sliced = ("sample", "timestep", "audio_features")
    return {name: value[:, start:stop] if name in sliced else value for name, value in inputs.items()}


def by_blocks(
    model: VideoTransformerModel, inputs: dict[str, torch.Tensor], rows: int
) -> tuple[torch.Tensor, VideoTransformerCache]:
    """The clip in passes of `rows`, each behind the cached ones before it."""
    cache, made = None, []
    for start in range(0, inputs["sample"].shape[1], rows):
        part = rows_of(inputs, start, start + rows)
        seen = model(**part, past_key_values=cache).sample  # reads, stores nothing
        output = model(**part, past_key_values=cache, use_cache=True)
        torch.testing.assert_close(output.sample, seen, atol=1e-6, rtol=1e-5)
        cache = output.past_key_values
        made.append(output.sample)
    return torch.cat(made, dim=1), cache


@torch.no_grad()
@pytest.mark.parametrize("options", [CAUSAL, SLIDING, BLOCKS, SLIDING_BLOCKS])
@pytest.mark.parametrize("conditioning", ["tokens", "cross_attention"])
def test_blocks_with_a_cache_are_the_whole_clip_with_a_mask(
    build_model: Callable, stream_inputs: Inputs, options: dict, conditioning: str
) -> None:
    model = build_model(
        caption_conditioning=conditioning, audio_hidden_size=3, num_class_labels=2, patch_size=(1, 4, 4), **options
    )
    inputs = stream_inputs(audio=3) | {"class_ids": torch.tensor([0, 1])}
    inputs["condition_dropout_mask"] = torch.tensor([[False, True, False], [False, False, True]])
    whole = model(**inputs).sample
    for rows in (2, 4):
        torch.testing.assert_close(by_blocks(model, inputs, rows)[0], whole, atol=1e-5, rtol=1e-4)


@torch.no_grad()
@pytest.mark.parametrize("implementation", ["eager", "matmul", "chunked"])
def test_every_implementation_reads_the_cache(
    build_model: Callable, stream_inputs: Inputs, implementation: str
) -> None:
    model, inputs = build_model(**SLIDING_BLOCKS), stream_inputs()
    whole = model(**inputs).sample
    model.set_attn_implementation(implementation)
    torch.testing.assert_close(by_blocks(model, inputs, 2)[0], whole, atol=1e-5, rtol=1e-4)


@torch.no_grad()
def test_a_window_keeps_the_cache_small(build_model: Callable, stream_inputs: Inputs) -> None:
    model = build_model(**SLIDING)
    lengths = [by_blocks(model, stream_inputs(rows=rows), 1)[1].get_seq_length() for rows in (3, 6, 12)]
    assert lengths == [5 + 2 * 6] * 3  # the caption and two rows of six tokens
    assert by_blocks(build_model(**CAUSAL), stream_inputs(rows=12), 1)[1].get_seq_length() == 5 + 12 * 6


@torch.no_grad()
def test_the_caption_can_be_changed_between_blocks(build_model: Callable, stream_inputs: Inputs) -> None:
    model, inputs = build_model(pool_caption=False, **CAUSAL), stream_inputs()
    _, cache = by_blocks(model, rows_of(inputs, 0, 2), 1)
    cache.drop_caption()
    part = rows_of(inputs, 2, 3)
    other = part | {"input_ids": torch.full((2, 7), 3), "attention_mask": torch.ones(2, 7, dtype=torch.long)}
    changed = model(**other, past_key_values=cache).sample
    assert not torch.allclose(changed, model(**inputs).sample[:, 2:3], atol=1e-3)
    # The same caption again: nothing changes.
    torch.testing.assert_close(
        model(**part, past_key_values=cache).sample, model(**inputs).sample[:, 2:3], atol=1e-5, rtol=1e-4
    )


@torch.no_grad()
def test_bad_caches_say_what_to_do(build_model: Callable, stream_inputs: Inputs) -> None:
    inputs = stream_inputs()
    with pytest.raises(ValueError, match="cannot cache rows"):
        build_model()(**inputs, use_cache=True)
    model = build_model(**BLOCKS)
    with pytest.raises(ValueError, match="expected a VideoTransformerCache"):
        model(**inputs, past_key_values=DynamicCache())
    cache = model(**rows_of(inputs, 0, 3), use_cache=True).past_key_values
    with pytest.raises(ValueError, match="ends within a block: 3 rows"):
        model(**rows_of(inputs, 3, 4), past_key_values=cache)
    cache = model(**rows_of(inputs, 0, 2), use_cache=True).past_key_values
    with pytest.raises(ValueError, match="holds 2 samples and 1 are passed"):
        model(**{name: value[:1] for name, value in rows_of(inputs, 2, 4).items()}, past_key_values=cache)


@torch.no_grad()
def test_compiled_layers_with_a_cache_are_compiled_once(build_model: Callable) -> None:
    model, graphs = build_model(num_hidden_layers=2, **CAUSAL), []

    def backend(graph: torch.fx.GraphModule, _: list) -> Callable:
        graphs.append(graph)
        return graph.forward

    cache, counts = VideoTransformerCache(), []
    hidden_states = torch.randn(1, 4, model.config.hidden_size)
    rotary = rotary_embedding(torch.zeros(4, 3), model.config.hidden_size // model.config.num_attention_heads)
    torch.compiler.reset()
    for layer in model.layers:
        layer.attention.compile(backend=backend)
        layer.attention(hidden_states, None, rotary, past_key_values=cache, use_cache=True)
        counts.append(len(graphs))
    torch.compiler.reset()
    assert counts[0] == counts[1] > 0
    assert [cached.get_seq_length() for cached in cache.layers] == [4, 4]
