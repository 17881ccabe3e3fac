import json

import pytest
import torch
from torch.nn import functional as F
from transformers import (
    CLIPConfig,
    CLIPModel,
    CLIPTextConfig,
    CLIPVisionConfig,
    PreTrainedTokenizerFast,
    VideoMAEConfig,
    VideoMAEModel,
    ViTConfig,
    ViTForImageClassification,
    ViTModel,
    VJEPA2Config,
    VJEPA2ForVideoClassification,
    VJEPA2Model,
)

from heygen_hf.evaluation.features import (
    content_debiased_features,
    load_image_features,
    load_text_video_features,
    load_video_features,
)
from heygen_hf.models.conv_video_encoder import ConvVideoEncoderConfig, ConvVideoEncoderForVideoClassification

TINY = {"hidden_size": 16, "num_hidden_layers": 1, "num_attention_heads": 2, "intermediate_size": 32, "patch_size": 8}


def saved(model, folder, *, mean=None):
    model.save_pretrained(folder)
    if mean is not None:
        described = {"image_mean": mean, "image_std": [0.5] * 3, "size": {"shortest_edge": 20}}
        (folder / "preprocessor_config.json").write_text(json.dumps(described))
    return folder


@pytest.fixture
def videomae(tmp_path):
    config = VideoMAEConfig(**TINY, image_size=16, num_frames=4, tubelet_size=2)
    return saved(VideoMAEModel(config), tmp_path / "videomae", mean=[0.4, 0.4, 0.4])


def test_videomae_takes_its_frames_its_size_and_its_normalisation(videomae):
    features = load_video_features(videomae)
    clips = torch.rand(2, 6, 3, 32, 24)
    assert features(clips).shape == (2, 16)
    described = features.describe()["preprocessing"]
    assert (described["height"], described["width"], described["num_frames"]) == (16, 16, 4)
    assert described["mean"] == (0.4, 0.4, 0.4)
    frames = F.interpolate(clips[:, :4].flatten(0, 1), size=(16, 16), mode="bilinear", antialias=True)
    pixels = ((frames - 0.4) / 0.5).unflatten(0, (2, 4))
    expected = VideoMAEModel.from_pretrained(videomae).eval()(pixels).last_hidden_state.mean(1)
    torch.testing.assert_close(features(clips), expected.detach(), atol=1e-5, rtol=1e-4)
    with pytest.raises(ValueError, match="clips have 3 frames and the features need 4"):
        features(clips[:, :3])


def test_content_debiased_features_are_not_normalised(videomae):
    features = content_debiased_features(videomae)
    described = features.describe()
    assert described["preprocessing"]["mean"] is None
    assert described["preprocessing"]["value_range"] == (0.0, 1.0)
    assert described["pooling"] == "mean_tokens"
    clips = torch.rand(1, 4, 3, 16, 16)
    expected = VideoMAEModel.from_pretrained(videomae).eval()(clips).last_hidden_state.mean(1)
    torch.testing.assert_close(features(clips), expected.detach())


def test_v_jepa_2_and_the_pooler_of_its_classifier(tmp_path):
    config = VJEPA2Config(
        **{**TINY, "num_hidden_layers": 2}, crop_size=16, frames_per_clip=4, tubelet_size=2, mlp_ratio=2,
        pred_hidden_size=16, pred_num_attention_heads=2, pred_num_hidden_layers=1, num_pooler_layers=1, num_labels=3,
    )  # fmt: skip
    clips = torch.rand(2, 4, 3, 16, 16)
    assert load_video_features(saved(VJEPA2Model(config), tmp_path / "encoder"))(clips).shape == (2, 16)
    classifier = VJEPA2ForVideoClassification(config).eval()
    folder = saved(classifier, tmp_path / "classifier")
    attentive = load_video_features(folder, pooling="attentive", normalize=False)
    logits = load_video_features(folder, pooling="logits", normalize=False)(clips)
    torch.testing.assert_close(classifier.classifier(attentive(clips)).detach(), logits, atol=1e-5, rtol=1e-4)
    other = load_video_features("embedded")
    other.pooling = "attentive"
    with pytest.raises(ValueError, match="'attentive' needs a network with an attentive pooler"):
        other(clips)


def test_a_judge_gives_features_and_logits_from_its_folder(tmp_path):
    config = ConvVideoEncoderConfig(hidden_sizes=(4, 8), strides=((1, 2), (2, 2)), num_labels=3)
    judge = ConvVideoEncoderForVideoClassification(config).eval()
    folder = saved(judge, tmp_path / "judge")
    clips = torch.rand(2, 4, 3, 16, 16)
    logits = load_video_features(folder, pooling="logits")
    assert logits.describe()["preprocessing"]["value_range"] == (-1.0, 1.0)
    torch.testing.assert_close(logits(clips), judge(clips * 2 - 1).logits.detach())
    expected = judge.conv_video_encoder(clips * 2 - 1).pooler_output.detach()
    torch.testing.assert_close(load_video_features(folder)(clips), expected)


def test_image_encoders_give_a_vector_a_frame(tmp_path):
    folder = saved(ViTModel(ViTConfig(**TINY, image_size=16)), tmp_path / "vit")
    clips = torch.rand(2, 5, 3, 24, 24)
    features = load_image_features(folder, pooling="first_token")
    found = features(clips)
    assert found.shape == (2, 5, 16)
    torch.testing.assert_close(found[1], features(clips[1:])[0])
    assert load_image_features(folder, num_frames=3).preprocessing.frame_numbers(5) == [0, 2, 4]
    assert load_image_features()(clips).shape == (2, 5, 128)


@pytest.fixture
def clip_folder(tmp_path):
    from tokenizers import Tokenizer, models, pre_tokenizers

    vision = CLIPVisionConfig(**TINY, image_size=16, projection_dim=8)
    sizes = {key: value for key, value in TINY.items() if key != "patch_size"}
    text = CLIPTextConfig(**sizes, vocab_size=6, max_position_embeddings=5, eos_token_id=5, projection_dim=8)
    folder = saved(CLIPModel(CLIPConfig(text_config=text, vision_config=vision, projection_dim=8)), tmp_path / "clip")
    words = Tokenizer(models.WordLevel({"[UNK]": 0, "a": 1, "red": 2, "blue": 3, "seven": 4, "[EOS]": 5}, "[UNK]"))
    words.pre_tokenizer = pre_tokenizers.Whitespace()
    tokenizer = PreTrainedTokenizerFast(tokenizer_object=words, unk_token="[UNK]", eos_token="[EOS]", pad_token="[EOS]")
    tokenizer.save_pretrained(folder)
    return folder


def test_clip_has_texts_and_frames_in_one_space(clip_folder):
    features = load_text_video_features(clip_folder)
    texts, frames = features.texts(["a red seven", "a blue seven " * 9]), features.clips(torch.rand(2, 3, 3, 20, 20))
    assert (texts.shape, frames.shape) == ((2, 8), (2, 3, 8))
    assert texts.norm(dim=-1).tolist() == pytest.approx([1, 1])
    assert float(frames.norm(dim=-1).mean()) == pytest.approx(1)
    assert features.describe()["preprocessing"]["interpolation"] == "bicubic"
    assert load_image_features(clip_folder)(torch.rand(1, 2, 3, 20, 20)).shape == (1, 2, 8)


def test_weights_that_would_be_random_are_refused(tmp_path, videomae):
    folder = saved(ViTForImageClassification(ViTConfig(**TINY, image_size=16)), tmp_path / "classifier")
    with pytest.raises(ValueError, match=r"no trained weights for pooler.dense.bias, .* choose pooling='first_token'"):
        load_image_features(folder)
    assert load_image_features(folder, pooling="first_token")(torch.rand(1, 2, 3, 16, 16)).shape == (1, 2, 16)
    with pytest.raises(ValueError, match=r"no trained weights for classifier.bias, .* give a checkpoint that has them"):
        load_video_features(videomae, pooling="logits")


def test_what_does_not_load_is_one_line(tmp_path, videomae):
    for load in (load_video_features, load_image_features, content_debiased_features, load_text_video_features):
        with pytest.raises(ValueError, match="no features load from") as caught:
            load(tmp_path / "nowhere")
        assert "\n" not in str(caught.value)
    with pytest.raises(ValueError, match=r"has no tokenizer|gives no features of texts"):
        load_text_video_features(videomae)
    (tmp_path / "pickled").mkdir()
    (tmp_path / "pickled" / "config.json").write_text((videomae / "config.json").read_text())
    torch.save({}, tmp_path / "pickled" / "pytorch_model.bin")  # safetensors alone are read
    with pytest.raises(ValueError, match="no features load from"):
        load_video_features(tmp_path / "pickled")
