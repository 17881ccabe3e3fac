"""Attention patterns between time rows: who depends on whom, and every implementation alike."""

from collections.abc import Callable

import pytest
import torch
from huggingface_hub.errors import StrictDataclassError

from heygen_hf.models.video_transformer import VideoTransformerConfig, VideoTransformerForVideoGeneration

CAUSAL = {"attention_pattern": "causal"}
SLIDING = {"attention_pattern": "causal", "attention_window": 2}
BLOCKS = {"attention_pattern": "block_causal", "attention_block": 2}
SLIDING_BLOCKS = {"attention_pattern": "block_causal", "attention_block": 2, "attention_window": 1}
WINDOWED = {"attention_pattern": "windowed", "attention_window": 1}
PATTERNS = [CAUSAL, SLIDING, BLOCKS, SLIDING_BLOCKS, WINDOWED]
Inputs = Callable[..., dict[str, torch.Tensor]]


def changed_rows(model: torch.nn.Module, inputs: dict[str, torch.Tensor], row: int, name: str = "sample") -> list[bool]:
    """Which rows of the prediction change when one row of the input does."""
    other = inputs[name].clone()
    other[:, row] += 1.0
    with torch.no_grad():
        difference = model(**inputs).sample - model(**inputs | {name: other}).sample
    return (difference.abs().amax(dim=(0, 2, 3, 4)) > 0).tolist()


@pytest.mark.parametrize(
    ("pattern", "changed"),
    [
        (CAUSAL, [0, 0, 0, 1, 1, 1]),
        (SLIDING, [0, 0, 0, 1, 1, 1]),
        (BLOCKS, [0, 0, 1, 1, 1, 1]),
        (SLIDING_BLOCKS, [0, 0, 1, 1, 1, 1]),
        (WINDOWED, [0, 0, 1, 1, 1, 0]),
        ({}, [1, 1, 1, 1, 1, 1]),
    ],
)
@pytest.mark.parametrize("name", ["sample", "audio_features"])
def test_rows_depend_on_what_the_pattern_lets_them_see(
    build_model: Callable, stream_inputs: Inputs, pattern: dict, changed: list[int], name: str
) -> None:
    model = build_model(audio_hidden_size=3, num_hidden_layers=1, **pattern)
    assert changed_rows(model, stream_inputs(audio=3), 3, name) == [bool(one) for one in changed]


def test_a_window_looks_no_further_back(build_model: Callable, stream_inputs: Inputs) -> None:
    model = build_model(num_hidden_layers=1, **SLIDING)
    assert changed_rows(model, stream_inputs(), 0) == [True, True, True, False, False, False]


@torch.no_grad()
@pytest.mark.filterwarnings("ignore:flex_attention called without torch.compile")
@pytest.mark.parametrize("pattern", PATTERNS)
def test_implementations_agree(build_model: Callable, stream_inputs: Inputs, pattern: dict) -> None:
    model, inputs = build_model(audio_hidden_size=3, **pattern), stream_inputs(rows=30, audio=3)
    model.set_attn_implementation("eager")
    expected = model(**inputs).sample
    # Rows have six tokens and chunks about 128: thirty rows make several chunks.
    for implementation in ("sdpa", "matmul", "chunked"):
        model.set_attn_implementation(implementation)
        torch.testing.assert_close(model(**inputs).sample, expected, atol=1e-5, rtol=1e-4)
    model.set_attn_implementation("flex_attention")
    with torch.compiler.set_stance("force_eager"):
        torch.testing.assert_close(model(**inputs).sample, expected, atol=1e-5, rtol=1e-4)


def test_chunks_have_the_gradients_of_masks_with_checkpointing_too(
    build_model: Callable, stream_inputs: Inputs
) -> None:
    model, inputs = build_model(**BLOCKS).train(), stream_inputs(rows=30)
    gradients = []
    for implementation, checkpointed in (("sdpa", False), ("chunked", False), ("chunked", True)):
        model.set_attn_implementation(implementation)
        if checkpointed:
            model.activation_checkpointing_enable()
        model.zero_grad()
        model(**inputs).sample.square().mean().backward()
        gradients.append({name: weight.grad.clone() for name, weight in model.named_parameters() if "null" not in name})
    for name, gradient in gradients[0].items():
        torch.testing.assert_close(gradients[1][name], gradient, atol=1e-6, rtol=1e-4)
        assert torch.equal(gradients[2][name], gradients[1][name])


def test_compiles_as_one_graph(build_model: Callable, stream_inputs: Inputs) -> None:
    model, inputs = build_model(num_hidden_layers=1, **SLIDING_BLOCKS), stream_inputs()
    model.set_attn_implementation("chunked")
    compiled = torch.compile(model, fullgraph=True, backend="eager")
    with torch.no_grad():
        torch.testing.assert_close(compiled(**inputs).sample, model(**inputs).sample)


def test_captions_are_seen_by_every_row_and_padding_by_none(build_model: Callable, stream_inputs: Inputs) -> None:
    model, inputs = build_model(pool_caption=False, num_hidden_layers=1, **WINDOWED), stream_inputs()
    for implementation in ("sdpa", "chunked"):
        model.set_attn_implementation(implementation)
        with torch.no_grad():
            plain = model(**inputs).sample
            other = model(**inputs | {"input_ids": (inputs["input_ids"] + 1) % 20}).sample
            padding = inputs["input_ids"].masked_fill(inputs["attention_mask"] == 0, 7)
            torch.testing.assert_close(model(**inputs | {"input_ids": padding}).sample, plain)
        assert ((other - plain).abs().amax(dim=(0, 2, 3, 4)) > 1e-4).all()


def test_a_pattern_learns(stream_inputs: Inputs) -> None:
    config = VideoTransformerConfig(
        vocab_size=20,
        hidden_size=32,
        num_hidden_layers=2,
        num_attention_heads=2,
        patch_size=(1, 4, 4),
        **SLIDING_BLOCKS,
    )
    model = VideoTransformerForVideoGeneration(config).train()
    inputs = stream_inputs()
    inputs["pixel_values"] = inputs.pop("sample")
    inputs["noise"] = torch.randn_like(inputs["pixel_values"])
    optimizer = torch.optim.AdamW(model.parameters(), lr=3e-3)
    losses = []
    for _ in range(15):
        loss = model(**inputs).loss
        loss.backward()
        optimizer.step()
        optimizer.zero_grad()
        losses.append(loss.item())
    assert losses[-1] < 0.8 * losses[0]


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"attention_pattern": "block_causal"}, "rows of a block are needed"),
        ({"attention_pattern": "causal", "attention_block": 2}, "and for nothing else"),
        ({"attention_pattern": "windowed"}, "needs attention_window"),
        ({"attention_window": 2}, 'says nothing with attention_pattern="full"'),
        ({"attention_pattern": "causal", "attention_window": 0}, "at least 1 row"),
    ],
)
def test_options_that_do_not_go_together(options: dict, message: str) -> None:
    with pytest.raises(StrictDataclassError, match=message):
        VideoTransformerConfig(**options)


def test_flash_attention_is_refused_with_a_pattern(build_model: Callable, stream_inputs: Inputs) -> None:
    model = build_model(**CAUSAL)
    model.config._attn_implementation = "flash_attention_2"
    with pytest.raises(ValueError, match="knows no masks between rows"):
        model(**stream_inputs())
