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


class TestHybridFusion(FusionContract):
    model_classes = (MultimodalFusionModel,)
    modules_of_other_configurations = "(?!)"
    fusion = "hybrid"

    @torch.no_grad()
    def test_eager_attention_returns_its_maps(self, model_class):
        outputs = _check_maps_of_each_stream(self.build(model_class, scramble=True, attn_implementation="eager"))
        *read, written = outputs.cross_attentions[:4]
        assert [maps.shape[2] for maps in read] == [3, 3, 3]  # the bottleneck tokens read each stream
        assert sum(maps.shape[3] for maps in read) == written.shape[2]
        assert written.shape[3] == 3  # and every token reads them


class TwoModalities(FusionContract):
    """Heads with text and video: what the third adds to the network, the base model shows."""

    def tiny_config(self, **overrides):
        return super().tiny_config(**({"audio_config": None} | overrides))

    def inputs(self, model_class):
        return {name: value for name, value in super().inputs(model_class).items() if "audio" not in name}


class TestEarlyFusion(TwoModalities):
    model_classes = (MultimodalFusionForContrastiveLearning,)


class TestQuestionAnswering(TwoModalities):
    model_classes = (MultimodalFusionForQuestionAnswering,)
    # Traced as the classifier below is, which costs seconds.
    test_exports = None
    test_compiles_without_graph_breaks = None


class TestLateFusion(TwoModalities):
    model_classes = (MultimodalFusionForClassification,)
    fusion = "late"

    @torch.no_grad()
    def test_eager_attention_returns_its_maps(self, model_class):
        model = self.build(model_class, scramble=True, attn_implementation="eager")
        outputs = model(**self.inputs(model_class), output_attentions=True)
        assert len(outputs.attentions) == 2 * model.config.num_hidden_layers
        torch.testing.assert_close(outputs.modality_weights.sum(-1), torch.ones(3))


class TestCaptioning(TwoModalities):
    model_classes = (MultimodalFusionForCaptioning,)
    parameters_without_gradient = (r"fusion\.pooling",)  # for one vector a sample; captions read the tokens
    tied = True

    def tiny_config(self, **overrides):
        decoder = decoder_config(tie_word_embeddings=self.tied)
        return super().tiny_config(**({"decoder_config": decoder} | overrides))

    def test_partial_checkpoint_initialises_what_is_missing(self, model_class, monkeypatch):
        # The contract compares weight by weight: of two tied ones, the one that is there is both.
        monkeypatch.setattr(self, "tied", False)
        super().test_partial_checkpoint_initialises_what_is_missing(model_class, monkeypatch)


def _check_maps_of_each_stream(model):
    outputs = model(**build_inputs(), output_attentions=True)
    assert len(outputs.attentions) == 3 * model.config.num_hidden_layers
    for attention in outputs.attentions:
        torch.testing.assert_close(attention.sum(-1), torch.ones_like(attention.sum(-1)))
    return outputs
