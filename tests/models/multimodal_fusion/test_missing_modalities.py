"""What is missing changes nothing, wherever it is missing; dropout never takes everything."""

import pytest
import torch

from heygen_hf.models.multimodal_fusion import (
    MultimodalFusionForClassification,
    MultimodalFusionForContrastiveLearning,
    MultimodalFusionModel,
)
from heygen_hf.models.multimodal_fusion.modeling_multimodal_fusion import _drop_modalities

FUSIONS = ("early", "late", "hybrid")


def _without(inputs: dict[str, torch.Tensor], modality: str, sample: int) -> dict[str, torch.Tensor]:
    name = {"text": "attention_mask", "video": "pixel_mask", "audio": "audio_attention_mask"}[modality]
    mask = inputs[name].clone()
    mask[sample] = 0
    return inputs | {name: mask}


@pytest.mark.parametrize("fusion", FUSIONS)
@pytest.mark.parametrize("modality", ["text", "video", "audio"])
@torch.no_grad()
def test_content_of_a_missing_modality_changes_nothing(scrambled, inputs, fusion, modality):
    model = scrambled(MultimodalFusionModel, fusion=fusion)
    missing = _without(inputs, modality, sample=2)
    expected = model(**missing).pooler_output
    assert not torch.allclose(expected[2], model(**inputs).pooler_output[2], atol=1e-3)  # it counts when it is there

    name = {"text": "input_ids", "video": "pixel_values", "audio": "audio_values"}[modality]
    content = missing[name].clone()
    content[2] = 3 if modality == "text" else torch.nan
    torch.testing.assert_close(model(**(missing | {name: content})).pooler_output, expected, rtol=0, atol=0)


@pytest.mark.parametrize("fusion", FUSIONS)
@torch.no_grad()
def test_missing_by_mask_equals_not_passed(scrambled, inputs, fusion):
    model = scrambled(MultimodalFusionModel, fusion=fusion)
    masked = inputs | {"audio_attention_mask": torch.zeros_like(inputs["audio_attention_mask"])}
    absent = {name: value for name, value in inputs.items() if "audio" not in name}
    torch.testing.assert_close(model(**masked).pooler_output, model(**absent).pooler_output, atol=1e-5, rtol=1e-5)


@pytest.mark.parametrize("fusion", FUSIONS)
def test_missing_video_gives_its_encoder_no_gradient(scrambled, inputs, fusion):
    model = scrambled(MultimodalFusionModel, fusion=fusion)
    inputs["pixel_mask"] = torch.zeros(3, dtype=torch.bool)
    model(**inputs).pooler_output.sum().backward()
    assert all(weight.grad is None or not weight.grad.any() for weight in model.video_encoder.parameters())
    assert model.text_encoder.embed_tokens.weight.grad.any()


def test_contrastive_loss_ignores_samples_with_one_modality(scrambled, inputs):
    model = scrambled(MultimodalFusionForContrastiveLearning, audio_config=None)
    inputs = {name: value for name, value in inputs.items() if "audio" not in name}
    complete = {name: value[:2] for name, value in inputs.items()}
    # The third has neither a video to find nor, as a video, anyone to find it; its text is still a wrong answer.
    incomplete = _without(inputs, "video", sample=2)
    loss = model(**incomplete).loss
    assert not torch.isclose(loss, model(**inputs).loss)
    outputs = model(**incomplete)
    assert not outputs.video_embeds[2].any()
    torch.testing.assert_close(outputs.video_embeds[:2], model(**complete).video_embeds, atol=1e-5, rtol=1e-5)


def test_modality_dropout_never_drops_everything():
    presence = torch.tensor([[True, True, True], [True, False, False], [False, True, True]]).repeat(200, 1)
    kept = _drop_modalities(presence, 0.9)
    assert kept.any(dim=1).all()
    assert not (kept & ~presence).any()
    share = kept[0::3].float().mean()
    assert 0.33 <= share < 0.55  # at least one of three; independent draws alone would keep 0.1


def test_modality_dropout_is_of_training_only(scrambled, inputs):
    model = scrambled(MultimodalFusionForClassification, modality_dropout=0.5, fusion="late")
    torch.testing.assert_close(model(**inputs).logits, model(**inputs).logits)
    model.fusion.train()
    weights = model(**inputs).modality_weights
    assert (weights == 0).any()
    torch.testing.assert_close(weights.sum(-1), torch.ones(3))
