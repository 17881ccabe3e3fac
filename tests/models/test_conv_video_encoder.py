"""The convolutional video encoder: the shared contract, its shapes, its errors, and that it learns motion."""

import pytest
import torch
from huggingface_hub.errors import StrictDataclassClassValidationError
from model_contract import ModelContract
from transformers import AutoModelForVideoClassification

from heygen_hf.models.conv_video_encoder import (
    ConvVideoEncoderConfig,
    ConvVideoEncoderForVideoClassification,
    ConvVideoEncoderModel,
)


class TestConvVideoEncoder(ModelContract):
    config_class = ConvVideoEncoderConfig
    base_class = ConvVideoEncoderModel
    model_classes = (ConvVideoEncoderModel, ConvVideoEncoderForVideoClassification)
    auto_classes = {AutoModelForVideoClassification: ConvVideoEncoderForVideoClassification}  # noqa: RUF012

    def tiny_config(self, **overrides):
        options = {
            "hidden_sizes": (8, 16),
            "strides": ((1, 2), (2, 2)),
            "pool_grid": (1, 2, 2),
            "num_labels": 3,
        }
        return ConvVideoEncoderConfig(**{**options, **overrides})

    def inputs(self, model_class):
        generator = torch.Generator().manual_seed(3)
        inputs = {"pixel_values": torch.rand(3, 4, 3, 16, 16, generator=generator) * 2 - 1}
        if model_class is ConvVideoEncoderForVideoClassification:
            inputs["labels"] = torch.tensor([0, 2, 1])
        return inputs

    def test_shapes_follow_strides_and_grid(self):
        model = self.build(ConvVideoEncoderModel)
        outputs = model(torch.zeros(2, 5, 3, 20, 12), output_hidden_states=True)
        assert outputs.last_hidden_state.shape == (2, 16, 3, 5, 3)
        assert outputs.pooler_output.shape == (2, 16 * 4)
        shapes = [tuple(state.shape) for state in outputs.hidden_states]
        assert shapes == [(2, 3, 5, 20, 12), (2, 8, 5, 10, 6), (2, 16, 3, 5, 3)]

    @pytest.mark.parametrize("shape", [(4, 3, 16, 16), (2, 3, 4, 16, 16)])
    def test_wrong_layout_says_what_was_expected(self, shape):
        with pytest.raises(ValueError, match=r"expected \(batch, frames, channels=3, height, width\)"):
            self.build(ConvVideoEncoderModel)(torch.zeros(shape))

    @pytest.mark.parametrize("label", [3, -1])
    def test_label_out_of_range_is_named(self, label):
        model = self.build(ConvVideoEncoderForVideoClassification)
        with pytest.raises(ValueError, match=rf"label {label} is outside \[0, 3\)"):
            model(torch.zeros(2, 4, 3, 16, 16), labels=torch.tensor([0, label]))

    def test_skipped_label_changes_no_loss(self):
        model = self.build(ConvVideoEncoderForVideoClassification, scramble=True)
        pixels = self.inputs(ConvVideoEncoderModel)["pixel_values"]
        alone = model(pixels[:1], labels=torch.tensor([1])).loss
        with_skipped = model(pixels[:2], labels=torch.tensor([1, -100])).loss
        torch.testing.assert_close(alone, with_skipped)

    def test_labels_travel_in_the_config(self, tmp_path):
        config = self.tiny_config()
        config.id2label = {0: "left", 1: "right"}
        config.label2id = {"left": 0, "right": 1}
        ConvVideoEncoderForVideoClassification(config).save_pretrained(tmp_path)
        loaded = AutoModelForVideoClassification.from_pretrained(tmp_path)
        assert loaded.config.id2label == {0: "left", 1: "right"}
        assert loaded.classifier.out_features == 2

    @pytest.mark.parametrize(
        ("options", "message"),
        [
            ({"strides": ((1, 2),)}, "1 entries for 2 stages"),
            ({"strides": ((1, 2), (0, 2))}, "positive integers"),
            ({"kernel_size": 4}, "kernel_size=4 must be odd"),
            ({"pool_grid": (1, 0, 4)}, "three positive integers"),
            ({"classifier_dropout": 1.0}, "must be in"),
            ({"hidden_sizes": (), "strides": ()}, "one positive width a stage"),
        ],
    )
    def test_inconsistent_config_is_refused(self, options, message):
        with pytest.raises(StrictDataclassClassValidationError, match=message):
            self.tiny_config(**options)

    def test_learns_direction_of_motion(self):
        """Which way a bar moves is in no single frame: only a model that looks across frames can tell."""
        generator = torch.Generator().manual_seed(0)

        def clips(count):
            start = torch.randint(0, 16, (count,), generator=generator)
            label = torch.randint(0, 2, (count,), generator=generator)
            pixels = -torch.ones(count, 4, 3, 16, 16)
            for clip in range(count):
                for frame in range(4):
                    column = int(start[clip] + frame * (2 * label[clip] - 1)) % 16
                    pixels[clip, frame, :, :, column] = 1
            return pixels, label

        torch.manual_seed(0)
        model = ConvVideoEncoderForVideoClassification(self.tiny_config(num_labels=2)).train()
        optimizer = torch.optim.AdamW(model.parameters(), lr=1e-2)
        for _ in range(40):
            pixels, labels = clips(16)
            model(pixels, labels=labels).loss.backward()
            optimizer.step()
            optimizer.zero_grad()
        pixels, labels = clips(64)
        with torch.no_grad():
            accuracy = (model.eval()(pixels).logits.argmax(-1) == labels).float().mean().item()
        assert accuracy >= 0.95
