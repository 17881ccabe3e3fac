"""Every class of the fusion network keeps the shared contract, and so does each fusion."""

import torch
from model_contract import ModelContract
from tiny_fusion import build_config, build_inputs, decoder_config
from transformers import (
    AutoModelForMultimodalLM,
    AutoModelForVideoClassification,
    AutoModelForVisualQuestionAnswering,
    AutoModelForZeroShotImageClassification,
)

from heygen_hf.models.audio_encoder import AudioEncoderModel
from heygen_hf.models.conv_video_encoder import ConvVideoEncoderModel
from heygen_hf.models.multimodal_fusion import (
    MultimodalFusionConfig,
    MultimodalFusionForCaptioning,
    MultimodalFusionForClassification,
    MultimodalFusionForContrastiveLearning,
    MultimodalFusionForQuestionAnswering,
    MultimodalFusionModel,
)
from heygen_hf.models.text_transformer import TextTransformerForCausalLM, TextTransformerModel


class FusionContract(ModelContract):
    config_class = MultimodalFusionConfig
    base_class = MultimodalFusionModel
    has_attention = True
    auto_classes = {  # noqa: RUF012
        AutoModelForZeroShotImageClassification: MultimodalFusionForContrastiveLearning,
        AutoModelForVideoClassification: MultimodalFusionForClassification,
        AutoModelForVisualQuestionAnswering: MultimodalFusionForQuestionAnswering,
        AutoModelForMultimodalLM: MultimodalFusionForCaptioning,
    }
    modules_of_other_configurations = "exchanges"
    fusion = "early"

    def tiny_config(self, **overrides):
        return build_config(**({"fusion": self.fusion, "decoder_config": decoder_config()} | overrides))

    def inputs(self, model_class):
        inputs = build_inputs()
        if model_class is MultimodalFusionForClassification:
            inputs["labels"] = torch.tensor([0, 2, 1])
        elif model_class is MultimodalFusionForQuestionAnswering:
            inputs["labels"] = torch.tensor([1, 2, 0])
        elif model_class is MultimodalFusionForCaptioning:
            inputs["labels"] = torch.tensor([[5, 6, 1], [7, 1, -100], [6, 8, 1]])
        return inputs

    def _seed_before_each_init(self, monkeypatch):
        super()._seed_before_each_init(monkeypatch)
        for model_class in (TextTransformerModel, TextTransformerForCausalLM, ConvVideoEncoderModel, AudioEncoderModel):
            original = model_class._init_weights

            def seeded(model, module, original=original):
                torch.manual_seed(0)
                original(model, module)

            monkeypatch.setattr(model_class, "_init_weights", seeded)


class TestEarlyFusion(FusionContract):
    model_classes = (
        MultimodalFusionModel,
        MultimodalFusionForClassification,
        MultimodalFusionForContrastiveLearning,
        MultimodalFusionForQuestionAnswering,
    )


class TestLateFusion(FusionContract):
    model_classes = (MultimodalFusionForClassification,)
    fusion = "late"

    @torch.no_grad()
    def test_eager_attention_returns_its_maps(self, model_class):
        _check_maps_of_each_stream(self.build(model_class, scramble=True, attn_implementation="eager"))


class TestHybridFusion(FusionContract):
    model_classes = (MultimodalFusionModel, MultimodalFusionForClassification)
    modules_of_other_configurations = "(?!)"
    fusion = "hybrid"
    # the base model's own loss is of every output; a classifier reads the bottlenecks, which nothing follows
    parameters_without_gradient = (r"exchanges\.1\.(write|answer_norm)",)

    @torch.no_grad()
    def test_eager_attention_returns_its_maps(self, model_class):
        outputs = _check_maps_of_each_stream(self.build(model_class, scramble=True, attn_implementation="eager"))
        read, written = outputs.cross_attentions[:2]
        assert read.shape[2] == written.shape[3] == 3  # bottleneck tokens


class TestCaptioning(FusionContract):
    model_classes = (MultimodalFusionForCaptioning,)
    parameters_without_gradient = (r"fusion\.pooling",)  # for one vector a sample; captions read the tokens


class TestWrittenAnswers(FusionContract):
    model_classes = (MultimodalFusionForQuestionAnswering,)
    parameters_without_gradient = (r"fusion\.(pooling|gate)",)
    fusion = "hybrid"
    modules_of_other_configurations = "(?!)"

    def tiny_config(self, **overrides):
        return super().tiny_config(**({"answer_by": "generation"} | overrides))

    def inputs(self, model_class):
        return build_inputs() | {"labels": torch.tensor([[5, 6, 1], [7, 1, -100], [6, 8, 1]])}

    @torch.no_grad()
    def test_eager_attention_returns_its_maps(self, model_class):
        _check_maps_of_each_stream(self.build(model_class, scramble=True, attn_implementation="eager"))


def _check_maps_of_each_stream(model):
    outputs = model(**build_inputs(), output_attentions=True)
    assert len(outputs.attentions) == 3 * model.config.num_hidden_layers
    for attention in outputs.attentions:
        torch.testing.assert_close(attention.sum(-1), torch.ones_like(attention.sum(-1)))
    return outputs
