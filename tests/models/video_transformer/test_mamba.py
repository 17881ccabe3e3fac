"""The linear-time mixer keeps the family's contract; its scans see both ways, or only back."""

from collections.abc import Callable

import pytest
import torch
from huggingface_hub.errors import StrictDataclassError
from model_contract import ModelContract

from heygen_hf.models.video_transformer import (
    VideoTransformerConfig,
    VideoTransformerForVideoGeneration,
    VideoTransformerModel,
)

Inputs = Callable[..., dict[str, torch.Tensor]]


class TestVideoTransformerMambaContract(ModelContract):
    config_class = VideoTransformerConfig
    base_class = VideoTransformerModel
    model_classes = (VideoTransformerForVideoGeneration,)
    parameters_without_gradient = ("null_caption",)
    modules_of_other_configurations = "attention"
    test_exports = None  # half a minute for what compiling shows already

    def tiny_config(self, **overrides: object) -> VideoTransformerConfig:
        values = {
            "vocab_size": 20,
            "hidden_size": 32,
            "num_hidden_layers": 2,
            "num_attention_heads": 2,
            "patch_size": (2, 4, 4),
            "prediction_type": "sample",
            "timestep_embedding_size": 16,
            "condition_dropout": 0.0,
            "mixer": "mamba",
        }
        return VideoTransformerConfig(**(values | overrides))

    def inputs(self, model_class: type) -> dict[str, torch.Tensor]:
        generator = torch.Generator().manual_seed(0)
        clip = torch.randn(3, 4, 3, 8, 12, generator=generator)
        return {
            "pixel_values": clip,
            "timestep": torch.tensor([0.2, 0.6, 0.9]),
            "input_ids": torch.randint(0, 20, (3, 5), generator=generator),
            "attention_mask": torch.tensor([[1, 1, 1, 1, 1], [1, 1, 1, 0, 0], [1, 1, 1, 1, 0]]),
            "noise": torch.randn(clip.shape, generator=generator),
        }


def changed_rows(model: VideoTransformerModel, inputs: dict, row: int, name: str = "sample") -> list[bool]:
    other = inputs[name].clone()
    other[:, row] += 3.0
    with torch.no_grad():
        difference = model(**inputs).sample - model(**inputs | {name: other}).sample
    return (difference.abs().amax(dim=(0, 2, 3, 4)) > 0).tolist()


@pytest.mark.parametrize("name", ["sample", "audio_features"])
def test_two_blocks_see_both_ways_and_causal_ones_only_back(
    build_model: Callable, stream_inputs: Inputs, name: str
) -> None:
    inputs = stream_inputs(audio=3)
    assert changed_rows(build_model(mixer="mamba", audio_hidden_size=3), inputs, 3, name) == [True] * 6
    causal = build_model(mixer="mamba", audio_hidden_size=3, attention_pattern="causal")
    assert changed_rows(causal, inputs, 3, name) == [False] * 3 + [True] * 3


@torch.no_grad()
def test_captions_reach_every_row_and_padding_changes_nothing(build_model: Callable, stream_inputs: Inputs) -> None:
    model, inputs = build_model(mixer="mamba", pool_caption=False, audio_hidden_size=3), stream_inputs(audio=3)
    plain = model(**inputs).sample
    other = model(**inputs | {"input_ids": (inputs["input_ids"] + 1) % 20}).sample
    assert ((other - plain).abs().amax(dim=(0, 2, 3, 4)) > 1e-4).all()
    longer = inputs | {
        "input_ids": torch.nn.functional.pad(inputs["input_ids"], (0, 3), value=7),
        "attention_mask": torch.nn.functional.pad(inputs["attention_mask"], (0, 3)),
    }
    torch.testing.assert_close(model(**longer).sample, plain, atol=1e-5, rtol=1e-4)


@torch.no_grad()
def test_a_scan_knows_where_a_patch_is(build_model: Callable, stream_inputs: Inputs) -> None:
    model, inputs = build_model(mixer="mamba", num_hidden_layers=1), stream_inputs()
    same = inputs | {"sample": torch.zeros_like(inputs["sample"]), "timestep": torch.tensor([0.5, 0.5])}
    made = model(**same).sample[0]
    assert not torch.allclose(made[2, :, :4, :4], made[2, :, 4:, :4], atol=1e-3)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"attention_pattern": "windowed", "attention_window": 1}, "scans the whole stream"),
        ({"attention_pattern": "causal", "attention_window": 1}, "scans the whole stream"),
        ({"attention_dropout": 0.1}, "no attention to act on"),
    ],
)
def test_options_of_attention_are_refused(options: dict, message: str) -> None:
    with pytest.raises(StrictDataclassError, match=message):
        VideoTransformerConfig(mixer="mamba", **options)


def test_rows_of_a_scan_cannot_be_cached(build_model: Callable, stream_inputs: Inputs) -> None:
    with pytest.raises(ValueError, match="cannot cache rows"):
        build_model(mixer="mamba", attention_pattern="causal")(**stream_inputs(), use_cache=True)
