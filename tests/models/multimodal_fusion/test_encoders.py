"""Any `AutoModel` is an encoder: those of transformers beside ours, trained, frozen, or with adapters."""

import pytest
import torch
from peft import LoraConfig, get_peft_model
from tiny_fusion import SMALL, VIDEOMAE, build_config, build_inputs, decoder_config
from transformers import (
    AutoModel,
    BertConfig,
    BertModel,
    PreTrainedConfig,
    T5Config,
    VideoMAEModel,
    ViTConfig,
    Wav2Vec2Config,
    WhisperConfig,
)

from heygen_hf.models.multimodal_fusion import (
    MultimodalFusionForCaptioning,
    MultimodalFusionForClassification,
    MultimodalFusionModel,
)
from heygen_hf.models.text_transformer import TextTransformerForCausalLM

BERT = BertConfig(vocab_size=24, **SMALL)
T5 = T5Config(vocab_size=24, d_model=16, d_kv=8, d_ff=16, num_layers=1, num_heads=2)
VIT = ViTConfig(image_size=16, patch_size=8, **SMALL)
WAV2VEC2 = Wav2Vec2Config(
    conv_dim=[8, 8], conv_kernel=[10, 3], conv_stride=[5, 2], num_feat_extract_layers=2, vocab_size=8, **SMALL
)
WHISPER = WhisperConfig(
    vocab_size=8, d_model=16, encoder_layers=1, encoder_attention_heads=2, encoder_ffn_dim=16, num_mel_bins=8,
    max_source_positions=10, decoder_layers=1, decoder_attention_heads=2, decoder_ffn_dim=16, pad_token_id=0,
)  # fmt: skip


@pytest.mark.parametrize(
    ("text", "video", "audio"),
    [(BERT, VIDEOMAE, WAV2VEC2), (T5, VIT, WHISPER)],
    ids=["bert+videomae+wav2vec2", "t5+vit+whisper"],
)
def test_encoders_of_transformers(tmp_path, text, video, audio):
    inputs = build_inputs()
    if audio is WHISPER:
        inputs.pop("audio_values")
        inputs["input_features"] = torch.randn(3, 8, 20)
        inputs["audio_attention_mask"] = torch.ones(3, 20)
    torch.manual_seed(0)
    model = MultimodalFusionForClassification(
        build_config(text_config=text, video_config=video, audio_config=audio, fusion="hybrid")
    ).eval()
    torch.nn.init.normal_(model.classifier.weight)
    model(**inputs, labels=torch.tensor([0, 1, 2])).loss.backward()
    for name in ("text", "video", "audio"):
        assert any(p.grad is not None and p.grad.any() for p in getattr(model.fusion, f"{name}_encoder").parameters())
    model.save_pretrained(tmp_path)
    loaded, info = MultimodalFusionForClassification.from_pretrained(tmp_path, output_loading_info=True)
    assert not any(info.values()), info
    assert type(loaded.config.text_config) is type(text)
    with torch.no_grad():
        expected = model(**inputs).logits
        torch.testing.assert_close(loaded(**inputs).logits, expected, rtol=0, atol=0)
        # Padding is not read: the same texts and recordings cut to their length
        alone = {k: v[1:2] for k, v in inputs.items()}
        alone |= {"input_ids": alone["input_ids"][:, :4], "attention_mask": alone["attention_mask"][:, :4]}
        torch.testing.assert_close(model(**alone).logits, expected[1:2], atol=1e-4, rtol=1e-4)


def test_image_encoders_see_every_frame(inputs):
    model = MultimodalFusionModel(build_config(video_config=VIT, text_config=None, audio_config=None, fusion="late"))
    tokens = model.eval()(pixel_values=inputs["pixel_values"]).last_hidden_state
    assert tokens.shape[1] == 4 * (1 + 2 * 2)


def test_samples_for_an_encoder_of_features(inputs):
    model = MultimodalFusionModel(build_config(audio_config=WHISPER))
    with pytest.raises(ValueError, match="pass input_features as its feature extractor"):
        model(audio_values=inputs["audio_values"])


@pytest.fixture
def folders(tmp_path):
    torch.manual_seed(0)
    BertModel(BERT).save_pretrained(tmp_path / "text")
    VideoMAEModel(VIDEOMAE).save_pretrained(tmp_path / "video")
    TextTransformerForCausalLM(decoder_config()).save_pretrained(tmp_path / "decoder")
    return {name: str(tmp_path / name) for name in ("text", "video")}, str(tmp_path / "decoder")


def test_from_trained_encoders(folders, tmp_path):
    encoders, decoder = folders
    options = {"hidden_size": 32, "fusion": "hybrid", "freeze_encoders": ["video"]}
    model = MultimodalFusionForCaptioning.from_encoders_pretrained(**encoders, decoder=decoder, **options)
    assert not model.training
    assert isinstance(model.config.text_config, PreTrainedConfig)
    for name, path in encoders.items():
        _assert_equal_weights(getattr(model.fusion, f"{name}_encoder"), AutoModel.from_pretrained(path))
    _assert_equal_weights(model.decoder, TextTransformerForCausalLM.from_pretrained(decoder))
    assert model.decoder.lm_head.weight is model.decoder.transformer.embed_tokens.weight
    assert not any(p.requires_grad for p in model.fusion.video_encoder.parameters())
    base = MultimodalFusionModel.from_encoders_pretrained(**encoders, audio=None, fusion="hybrid", hidden_size=32)
    base.save_pretrained(tmp_path / "base")
    _assert_equal_weights(AutoModel.from_pretrained(tmp_path / "base"), base)


def test_frozen_encoders_stay_as_they_are(inputs, tmp_path):
    torch.manual_seed(0)
    config = build_config(fusion="late", freeze_encoders=["text", "video"])
    MultimodalFusionForClassification(config).save_pretrained(tmp_path)
    model = MultimodalFusionForClassification.from_pretrained(tmp_path).train()
    torch.nn.init.normal_(model.classifier.weight)
    before = {name: value.clone() for name, value in model.state_dict().items()}
    optimizer = torch.optim.SGD([p for p in model.parameters() if p.requires_grad], lr=0.1)
    model(**inputs, labels=torch.tensor([0, 1, 2])).loss.backward()
    optimizer.step()
    moved = {name for name, value in model.state_dict().items() if not torch.equal(value, before[name])}
    assert not any("text_encoder" in name or "video_encoder" in name for name in moved)  # batch norms' statistics too
    assert any("audio_encoder" in name for name in moved)
    assert any("text_proj" in name for name in moved)
    assert not any(p.requires_grad for p in model.fusion.text_encoder.parameters())


def test_lora_trains_the_adapters_alone(inputs, scrambled):
    model = scrambled(MultimodalFusionForClassification, fusion="hybrid")
    adapted = get_peft_model(model, LoraConfig(r=2, target_modules=["q_proj"], modules_to_save=["classifier"]))
    adapted(**inputs, labels=torch.tensor([0, 1, 2])).loss.backward()
    trained = {name for name, p in adapted.named_parameters() if p.requires_grad}
    assert all("lora_" in name or "classifier" in name for name in trained)
    with_gradient = {name for name, p in adapted.named_parameters() if p.grad is not None and p.grad.any()}
    for part in ("text_encoder", "audio_encoder", "fusion.layers", "exchanges"):
        assert any(part in name and "lora_B" in name for name in with_gradient), part


def _assert_equal_weights(left: torch.nn.Module, right: torch.nn.Module) -> None:
    theirs = right.state_dict()
    assert left.state_dict().keys() == theirs.keys()
    assert all(torch.equal(value, theirs[name]) for name, value in left.state_dict().items())
