"""What does not fit is one clear line before the first step."""

import pytest
import torch
from huggingface_hub.errors import StrictDataclassClassValidationError
from tiny_fusion import SMALL, VOCABULARY, build_config, decoder_config
from transformers import BertConfig, CLIPConfig

from heygen_hf.models.multimodal_fusion import (
    MultimodalFusionForCaptioning,
    MultimodalFusionForClassification,
    MultimodalFusionForContrastiveLearning,
    MultimodalFusionForQuestionAnswering,
    MultimodalFusionModel,
    check_no_empty_modality,
)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"hidden_size": 30}, "multiple of num_attention_heads=4"),
        ({"fusion_layers": [2]}, r"distinct layers in \[0, num_hidden_layers=2\)"),
        ({"fusion_layers": []}, "never fuses"),
        ({"freeze_encoders": ["sound"]}, "may name text, video, audio"),
        ({"label_columns": {"digit": []}}, "classes for each column"),
        ({"classification_loss": "focal", "label_smoothing": 0.1}, "cross-entropy's"),
        ({"modality_dropout": 1.0}, r"\[0, 1\)"),
    ],
)
def test_configuration(options, message):
    with pytest.raises(StrictDataclassClassValidationError, match=message):
        build_config(**options)


def test_encoders_that_do_not_fit():
    with pytest.raises(ValueError, match="no encoder"):
        MultimodalFusionModel(build_config(text_config=None, video_config=None, audio_config=None))
    with pytest.raises(ValueError, match="one encoder, such as the text_config"):
        MultimodalFusionModel(build_config(text_config=CLIPConfig()))
    with pytest.raises(ValueError, match="two or three encoders"):
        MultimodalFusionForContrastiveLearning(build_config(text_config=None, audio_config=None))
    with pytest.raises(ValueError, match="give decoder_config"):
        MultimodalFusionForCaptioning(build_config())
    with pytest.raises(ValueError, match="give text_config"):
        MultimodalFusionForQuestionAnswering(build_config(text_config=None))


def test_encoder_of_another_width_than_it_says(scrambled, inputs):
    model = scrambled(MultimodalFusionModel, text_config=BertConfig(vocab_size=24, **SMALL))
    model.text_encoder.config.hidden_size = 48
    with pytest.raises(ValueError, match="width 16; its configuration says hidden_size=48"):
        model(**inputs)


def test_inputs(scrambled, inputs):
    model = scrambled(MultimodalFusionModel, audio_config=None)
    with pytest.raises(ValueError, match="audio was passed to a model without audio_config"):
        model(**inputs)
    inputs = {name: value for name, value in inputs.items() if "audio" not in name}
    with pytest.raises(ValueError, match="no modality was passed"):
        model()
    with pytest.raises(ValueError, match=f"token id {VOCABULARY} is outside"):
        model(**(inputs | {"input_ids": torch.full((3, 6), VOCABULARY)}))
    with pytest.raises(ValueError, match="pixel_mask has shape"):
        model(**(inputs | {"pixel_mask": torch.ones(2)}))
    with pytest.raises(ValueError, match="3 samples of text and 2 of video"):
        model(input_ids=inputs["input_ids"], pixel_values=inputs["pixel_values"][:2])
    empty = {"attention_mask": torch.tensor([[1] * 6, [0] * 6, [1] * 6]), "pixel_mask": torch.tensor([1, 0, 1])}
    with pytest.raises(ValueError, match="sample 1 of the batch has neither of text, video"):
        model(**(inputs | empty))


def test_a_modality_that_no_sample_has(scrambled, inputs):
    modalities = ("text", "video", "audio")
    check_no_empty_modality(inputs, modalities=modalities)
    none = inputs | {"pixel_mask": torch.zeros(3, dtype=torch.bool)}
    with pytest.raises(ValueError, match="no sample has any video"):
        check_no_empty_modality(none, modalities=modalities)
    with pytest.raises(ValueError, match="no sample has any audio"):
        check_no_empty_modality({"input_ids": inputs["input_ids"]}, modalities=("audio",))
    with pytest.raises(ValueError, match="video is missing in every item"):
        scrambled(MultimodalFusionForContrastiveLearning)(**none)


@pytest.mark.parametrize(
    ("labels", "message"),
    [
        (torch.tensor([0, 3, 1]), r"label 3 is outside \[0, num_labels=3\)"),
        (torch.tensor([-100, -100, -100]), "nothing to learn"),
        (torch.zeros(3, 2, dtype=torch.long), r"expected \(3, 1\)"),
    ],
)
def test_labels_of_classification(scrambled, inputs, labels, message):
    with pytest.raises(ValueError, match=message):
        scrambled(MultimodalFusionForClassification)(**inputs, labels=labels)
    with pytest.raises(ValueError, match=message):
        scrambled(MultimodalFusionForQuestionAnswering)(**inputs, labels=labels)


@pytest.mark.parametrize(
    ("labels", "message"),
    [
        (torch.full((3, 2), VOCABULARY), f"label {VOCABULARY} is outside.*vocab_size={VOCABULARY}"),
        (torch.full((3, 2), -100), "nothing to learn"),
        (torch.tensor([1, 2, 3]), r"expected \(batch, tokens\)"),
    ],
)
def test_labels_of_captions(scrambled, inputs, labels, message):
    model = scrambled(MultimodalFusionForCaptioning, decoder_config=decoder_config())
    with pytest.raises(ValueError, match=message):
        model(**inputs, labels=labels)
