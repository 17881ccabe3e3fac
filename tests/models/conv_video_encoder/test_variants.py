"""Residual, factorised, squeezed and otherwise pooled encoders: the contract, and what each option means."""

import pytest
import torch
from huggingface_hub.errors import StrictDataclassClassValidationError
from model_contract import ModelContract
from torch import nn
from transformers import AutoModelForVideoClassification

from heygen_hf.models.conv_video_encoder import (
    ConvVideoEncoderConfig,
    ConvVideoEncoderForVideoClassification,
    ConvVideoEncoderModel,
)
from heygen_hf.models.multimodal_fusion.encoders_multimodal_fusion import encode_video

TINY = {"hidden_sizes": (4, 8), "strides": ((1, 2), (2, 2)), "pool_grid": (1, 2, 2), "num_labels": 3}
RESIDUAL = {"depths": 1, "pooling": "max", "squeeze_excitation": True}
FACTORIZED = {"depths": (0, 1), "convolution": "factorized", "pooling": "attention", "output_format": "tokens"}


def tiny_config(**overrides):
    return ConvVideoEncoderConfig(**{**TINY, **overrides})


def tiny_model(**overrides):
    torch.manual_seed(0)
    return ConvVideoEncoderModel(tiny_config(**overrides)).eval()


class _VariantContract(ModelContract):
    config_class = ConvVideoEncoderConfig
    base_class = ConvVideoEncoderModel
    model_classes = (ConvVideoEncoderModel, ConvVideoEncoderForVideoClassification)
    auto_classes = {AutoModelForVideoClassification: ConvVideoEncoderForVideoClassification}  # noqa: RUF012

    def inputs(self, model_class):
        generator = torch.Generator().manual_seed(3)
        inputs = {"pixel_values": torch.rand(3, 3, 3, 9, 8, generator=generator) * 2 - 1}
        if model_class is ConvVideoEncoderForVideoClassification:
            inputs["labels"] = torch.tensor([0, 2, 1])
        return inputs


class TestResidualSqueezedMax(_VariantContract):
    def tiny_config(self, **overrides):
        return tiny_config(**{**RESIDUAL, **overrides})


class TestFactorizedAttentionTokens(_VariantContract):
    def tiny_config(self, **overrides):
        return tiny_config(**{**FACTORIZED, **overrides})


def _convolution_size(model):
    return sum(module.weight.numel() for module in model.modules() if isinstance(module, nn.Conv3d))


@pytest.mark.parametrize("kernel_size", [3, 5])
def test_factorized_form_has_as_many_parameters(kernel_size):
    options = {"hidden_sizes": (24, 32), "depths": (1, 2), "kernel_size": kernel_size}
    full = _convolution_size(tiny_model(**options))
    factorized = _convolution_size(tiny_model(**options, convolution="factorized"))
    assert 0.97 * full < factorized <= full


def test_factorized_middle_width_is_the_papers():
    config = {"hidden_sizes": (64, 128), "strides": ((1, 1), (2, 2)), "depths": 1, "convolution": "factorized"}
    stages = tiny_model(**config).stages
    assert stages[0].blocks[0].convolution_in.spatial.out_channels == 144  # R(2+1)D's first block, 64 -> 64
    assert stages[1].convolution.spatial.out_channels == 230  # 64 -> 128, as published
    assert stages[1].convolution.spatial.stride == (1, 2, 2)
    assert stages[1].convolution.temporal.stride == (2, 1, 1)


@torch.no_grad()
def test_fresh_residual_blocks_are_their_shortcuts():
    deep = tiny_model(depths=(2, 1))
    shallow = tiny_model()
    missing = shallow.load_state_dict(deep.state_dict(), strict=False)
    assert not missing.missing_keys
    assert missing.unexpected_keys
    clips = torch.rand(2, 3, 3, 8, 8)
    assert torch.equal(deep(clips).last_hidden_state, shallow(clips).last_hidden_state)
    for module in deep.modules():  # and take part once they have learned
        if getattr(module, "starts_at_zero", False):
            module.weight.fill_(1)
    assert not torch.allclose(deep(clips).last_hidden_state, shallow(clips).last_hidden_state)


@torch.no_grad()
def test_depths_are_blocks_per_stage():
    assert [len(stage.blocks) for stage in tiny_model(depths=2).stages] == [2, 2]
    assert [len(stage.blocks) for stage in tiny_model(depths=(0, 3)).stages] == [0, 3]


@torch.no_grad()
def test_squeeze_excitation_weighs_channels_by_the_whole_clip():
    squeeze = tiny_model(**RESIDUAL).stages[1].blocks[0].squeeze_excitation
    for linear in (squeeze.reduce, squeeze.expand):
        linear.weight.normal_()
        linear.bias.normal_()
    maps = torch.randn(2, 8, 3, 4, 5)
    described = torch.relu(torch.einsum("bcthw,sc->bs", maps, squeeze.reduce.weight) / 60 + squeeze.reduce.bias)
    weights = torch.sigmoid(described @ squeeze.expand.weight.T + squeeze.expand.bias)
    torch.testing.assert_close(squeeze(maps), torch.einsum("bcthw,bc->bcthw", maps, weights))


@torch.no_grad()
@pytest.mark.parametrize("variant", [{}, RESIDUAL, FACTORIZED], ids=["plain", "residual", "factorized"])
@pytest.mark.parametrize("size", [(1, 1, 1), (1, 16, 16), (7, 5, 23), (2, 64, 9)])
def test_any_clip_size(variant, size):
    frames, height, width = size
    model = tiny_model(**{**variant, "output_format": "map"})
    outputs = model(torch.rand(2, frames, 3, height, width))
    assert outputs.last_hidden_state.shape == (2, 8, -(-frames // 2), -(-height // 4), -(-width // 4))
    assert outputs.pooler_output.shape == (2, model.config.pooled_size)
    assert torch.isfinite(outputs.pooler_output).all()


@torch.no_grad()
def test_clip_below_the_minimum_is_refused():
    config = tiny_config(strides=((2, 2), (2, 2)), pool_grid=(2, 3, 4))
    smallest = config.full_grid_clip_size
    assert smallest == (5, 9, 13)
    model = tiny_model(strides=((2, 2), (2, 2)), pool_grid=(2, 3, 4), min_clip_size=smallest)
    frames, height, width = smallest
    # exactly the grid: nothing repeats
    assert model(torch.rand(1, frames, 3, height, width)).last_hidden_state.shape[2:] == (2, 3, 4)
    for less in ((frames - 1, height, width), (frames, height - 1, width), (frames, height, width - 1)):
        with pytest.raises(ValueError, match=r"below min_clip_size=\[5, 9, 13\]"):
            model(torch.rand(1, less[0], 3, *less[1:]))
    with pytest.raises(ValueError, match="clips of 0 frames"):
        tiny_model()(torch.rand(1, 0, 3, 8, 8))


@torch.no_grad()
def test_tokens_are_the_map_place_by_place():
    as_map = tiny_model(**{**FACTORIZED, "output_format": "map"})
    as_tokens = tiny_model(**FACTORIZED)
    clips = torch.rand(2, 4, 3, 8, 12)
    maps = as_map(clips, output_hidden_states=True)
    tokens = as_tokens(clips, output_hidden_states=True)
    assert tokens.last_hidden_state.shape == (2, 2 * 2 * 3, 8)
    places = [maps.last_hidden_state[:, :, t, h, w] for t in range(2) for h in range(2) for w in range(3)]
    assert torch.equal(tokens.last_hidden_state, torch.stack(places, dim=1))
    assert torch.equal(tokens.hidden_states[-1], maps.last_hidden_state)
    # multimodal fusion reads both, the map with its places
    read_map, map_positions = encode_video(as_map, clips)
    read_tokens, token_positions = encode_video(as_tokens, clips)
    assert torch.equal(read_map, read_tokens)
    assert map_positions[-1].tolist() == [1, 1, 2]
    assert token_positions[-1].tolist() == [11, 0, 0]


@torch.no_grad()
def test_poolings():
    clips = torch.rand(2, 4, 3, 8, 8)
    options = {"pool_grid": (1, 1, 1), "output_format": "tokens"}
    outputs = tiny_model(**options, pooling="mean")(clips)
    torch.testing.assert_close(outputs.pooler_output, outputs.last_hidden_state.mean(1))
    outputs = tiny_model(**options, pooling="max")(clips)
    torch.testing.assert_close(outputs.pooler_output, outputs.last_hidden_state.amax(1))
    model = tiny_model(**options, pooling="attention")
    model.pooler.score.weight.zero_()
    outputs = model(clips)
    torch.testing.assert_close(outputs.pooler_output, outputs.last_hidden_state.mean(1))
    model.pooler.score.weight[0, 0] = 1e6  # all weight on the place where the first channel is largest
    picked = outputs.last_hidden_state[:, :, 0].argmax(1)
    torch.testing.assert_close(model(clips).pooler_output, outputs.last_hidden_state[torch.arange(2), picked])


def test_earlier_folders_still_load(tmp_path):
    """What a configuration without the newer options means, and the names of its weights, never change."""
    (tmp_path / "config.json").write_text('{"model_type": "conv_video_encoder", "hidden_sizes": [4, 8, 8, 8]}')
    model = ConvVideoEncoderForVideoClassification(ConvVideoEncoderConfig.from_pretrained(tmp_path))
    norm = ("weight", "bias", "running_mean", "running_var", "num_batches_tracked")
    names = {"classifier.weight", "classifier.bias"}
    for stage in range(4):
        prefix = f"conv_video_encoder.stages.{stage}"
        names |= {f"{prefix}.convolution.weight"} | {f"{prefix}.norm.{name}" for name in norm}
    assert set(model.state_dict()) == names
    assert model.classifier.in_features == 8 * 16
    assert model.conv_video_encoder(torch.zeros(1, 4, 3, 16, 16)).last_hidden_state.shape == (1, 8, 1, 2, 2)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"depths": (1,)}, "one for each of the 2 stages"),
        ({"depths": -1}, "0 or more"),
        ({"squeeze_excitation": True}, "no residual block"),
        ({"squeeze_reduction": 0}, "squeeze_reduction=0"),
        ({"min_clip_size": (1, 0, 1)}, "three positive integers"),
    ],
)
def test_inconsistent_config_is_refused(options, message):
    with pytest.raises(StrictDataclassClassValidationError, match=message):
        tiny_config(**options)


@pytest.mark.parametrize("options", [{"convolution": "half"}, {"pooling": "median"}, {"output_format": "list"}])
def test_unknown_choice_is_refused(options):
    with pytest.raises(Exception, match=next(iter(options))):
        tiny_config(**options)


def test_integer_pixels_are_refused():
    with pytest.raises(ValueError, match=r"torch.uint8, expected floating point"):
        tiny_model()(torch.zeros(1, 4, 3, 8, 8, dtype=torch.uint8))
