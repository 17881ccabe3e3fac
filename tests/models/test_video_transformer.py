import pytest
import torch
from huggingface_hub.errors import StrictDataclassError
from model_contract import ModelContract
from transformers import Trainer, TrainingArguments

from heygen_hf.models.video_transformer import (
    VideoTransformerConfig,
    VideoTransformerForVideoGeneration,
    VideoTransformerModel,
)


def tiny_config(**overrides: object) -> VideoTransformerConfig:
    values = {
        "vocab_size": 20,
        "hidden_size": 32,
        "num_hidden_layers": 2,
        "num_attention_heads": 2,
        "patch_size": (2, 4, 4),
        "prediction_type": "sample",
        "timestep_embedding_size": 16,
        "condition_dropout": 0.0,
    }
    return VideoTransformerConfig(**(values | overrides))


def clip_inputs(model_class: type, **overrides: object) -> dict[str, torch.Tensor]:
    generator = torch.Generator().manual_seed(0)
    clip = torch.randn(3, 4, 3, 8, 12, generator=generator)
    inputs = {
        "timestep": torch.tensor([0.2, 0.6, 0.9]),
        "input_ids": torch.randint(0, 20, (3, 5), generator=generator),
        "attention_mask": torch.tensor([[1, 1, 1, 1, 1], [1, 1, 1, 0, 0], [1, 1, 1, 1, 0]]),
    }
    if model_class is VideoTransformerModel:
        inputs["sample"] = clip
    else:
        inputs |= {"pixel_values": clip, "noise": torch.randn(clip.shape, generator=generator)}
    return inputs | overrides


class TestVideoTransformerContract(ModelContract):
    config_class = VideoTransformerConfig
    base_class = VideoTransformerModel
    model_classes = (VideoTransformerModel, VideoTransformerForVideoGeneration)
    has_attention = True
    parameters_without_gradient = ("null_caption",)
    modules_of_other_configurations = "cross_attention"

    def tiny_config(self, **overrides: object) -> VideoTransformerConfig:
        return tiny_config(**overrides)

    def inputs(self, model_class: type) -> dict[str, torch.Tensor]:
        return clip_inputs(model_class)


class TestVideoTransformerCrossAttentionContract(TestVideoTransformerContract):
    modules_of_other_configurations = "gate_proj"

    def tiny_config(self, **overrides: object) -> VideoTransformerConfig:
        return tiny_config(**({"caption_conditioning": "cross_attention", "feed_forward": "plain"} | overrides))


class TestVideoTransformerWithAudioContract(TestVideoTransformerContract):
    parameters_without_gradient = ("null_audio",)

    def tiny_config(self, **overrides: object) -> VideoTransformerConfig:
        return tiny_config(**({"vocab_size": None, "audio_hidden_size": 3} | overrides))

    def inputs(self, model_class: type) -> dict[str, torch.Tensor]:
        inputs = clip_inputs(model_class)
        return {name: inputs[name] for name in inputs if name not in ("input_ids", "attention_mask")} | sounds()


def sounds() -> dict[str, torch.Tensor]:
    return {"audio_features": torch.randn(3, 4, 3, generator=torch.Generator().manual_seed(1))}


def scrambled(
    model_class: type = VideoTransformerModel, **overrides: object
) -> VideoTransformerModel | VideoTransformerForVideoGeneration:
    """A model whose zero-initialised parts take part."""
    model = model_class(tiny_config(**overrides)).eval()
    with torch.no_grad():
        for weight in model.parameters():
            weight.add_(torch.randn_like(weight) * 0.1)
    return model


def test_one_timestep_is_the_same_for_every_frame() -> None:
    model, inputs = scrambled(), clip_inputs(VideoTransformerModel)
    per_frame = inputs | {"timestep": inputs["timestep"][:, None].expand(-1, 4)}
    torch.testing.assert_close(model(**inputs).sample, model(**per_frame).sample)


def test_each_frame_of_a_token_has_its_own_timestep() -> None:
    model, inputs = scrambled(), clip_inputs(VideoTransformerModel)
    first = torch.tensor([[0.0, 0.8, 0.8, 0.8]]).expand(3, -1)
    swapped = torch.tensor([[0.8, 0.0, 0.8, 0.8]]).expand(3, -1)
    # An average over the token's two frames could not tell these apart.
    assert not torch.allclose(
        model(**inputs | {"timestep": first}).sample, model(**inputs | {"timestep": swapped}).sample, atol=1e-3
    )


@pytest.mark.parametrize("conditioning", ["tokens", "cross_attention"])
@pytest.mark.parametrize("pool_caption", [True, False])
def test_captions_matter_and_padding_does_not(conditioning: str, pool_caption: bool) -> None:
    model = scrambled(caption_conditioning=conditioning, pool_caption=pool_caption)
    inputs = clip_inputs(VideoTransformerModel)
    plain = model(**inputs).sample
    other_padding = inputs["input_ids"].masked_fill(inputs["attention_mask"] == 0, 7)
    torch.testing.assert_close(model(**inputs | {"input_ids": other_padding}).sample, plain)
    assert not torch.allclose(model(**inputs | {"input_ids": (inputs["input_ids"] + 1) % 20}).sample, plain, atol=1e-3)


def test_a_dropped_caption_equals_no_caption_whatever_its_length() -> None:
    model, inputs = scrambled(), clip_inputs(VideoTransformerModel)
    dropped = model(**inputs, condition_dropout_mask=torch.tensor([True, True, False])).sample
    without = model(sample=inputs["sample"], timestep=inputs["timestep"]).sample
    torch.testing.assert_close(dropped[:2], without[:2], atol=1e-5, rtol=1e-4)
    torch.testing.assert_close(dropped[2], model(**inputs).sample[2], atol=1e-5, rtol=1e-4)


def test_external_caption_features() -> None:
    model = scrambled(vocab_size=None, caption_hidden_size=6)
    inputs = clip_inputs(VideoTransformerModel)
    del inputs["input_ids"]
    features = torch.randn(3, 5, 6)
    output = model(**inputs, encoder_hidden_states=features).sample
    assert not torch.allclose(output, model(**inputs, encoder_hidden_states=features.flip(0)).sample, atol=1e-3)
    with pytest.raises(ValueError, match="cannot read captions as ids"):
        model(**clip_inputs(VideoTransformerModel))


def test_classes_condition_and_drop() -> None:
    model = scrambled(vocab_size=None, num_class_labels=3)
    clip = {name: clip_inputs(VideoTransformerModel)[name] for name in ("sample", "timestep")}
    one, two = (model(**clip, class_ids=torch.full((3,), i)).sample for i in (0, 1))
    assert not torch.allclose(one, two, atol=1e-3)
    dropped = model(**clip, class_ids=torch.zeros(3, dtype=torch.long), condition_dropout_mask=torch.ones(3)).sample
    torch.testing.assert_close(dropped, model(**clip).sample)


@pytest.mark.parametrize("shape", [(2, 4, 4), (6, 16, 8), (8, 8, 20)])
def test_runs_on_any_size_the_patch_divides(shape: tuple[int, int, int]) -> None:
    frames, height, width = shape
    sample = torch.randn(1, frames, 3, height, width)
    assert scrambled()(sample, torch.tensor([0.5])).sample.shape == sample.shape


def test_a_block_starts_as_the_identity_and_the_prediction_at_zero() -> None:
    model = VideoTransformerModel(tiny_config())
    output = model(**clip_inputs(VideoTransformerModel), output_hidden_states=True)
    assert output.sample.abs().max() == 0
    torch.testing.assert_close(output.hidden_states[0], output.hidden_states[-1])


@pytest.mark.parametrize("objective", ["flow_matching", "ddpm"])
@pytest.mark.parametrize("prediction_type", ["sample", "velocity", "noise"])
def test_every_objective_learns(objective: str, prediction_type: str) -> None:
    config = tiny_config(objective=objective, prediction_type=prediction_type, loss_space=prediction_type)
    model = VideoTransformerForVideoGeneration(config).train()
    inputs = clip_inputs(VideoTransformerForVideoGeneration)
    optimizer = torch.optim.AdamW(model.parameters(), lr=3e-3)
    losses = []
    for _ in range(25):
        loss = model(**inputs).loss
        loss.backward()
        optimizer.step()
        optimizer.zero_grad()
        losses.append(loss.item())
    assert losses[-1] < 0.7 * losses[0]


def test_given_noise_and_timesteps_make_training_deterministic() -> None:
    model = scrambled(VideoTransformerForVideoGeneration).train()
    inputs = clip_inputs(VideoTransformerForVideoGeneration)
    assert model(**inputs).loss == model(**inputs).loss
    del inputs["noise"]
    assert model(**inputs).loss != model(**inputs).loss
    model.eval()
    del inputs["timestep"]
    assert model(**inputs).loss == model(**inputs).loss


def test_conditions_are_dropped_in_training_only() -> None:
    model = scrambled(VideoTransformerForVideoGeneration, condition_dropout=0.999)
    inputs = clip_inputs(VideoTransformerForVideoGeneration)
    other = inputs | {"input_ids": (inputs["input_ids"] + 3) % 20}
    assert not torch.allclose(model.eval()(**inputs).loss, model(**other).loss)
    torch.testing.assert_close(model.train()(**inputs).loss, model(**other).loss)


def test_bad_input_says_what_to_do() -> None:
    model = VideoTransformerModel(tiny_config())
    inputs = clip_inputs(VideoTransformerModel)
    with pytest.raises(ValueError, match="frames=3 is not a multiple of its patch size 2: use 2 or 4"):
        model(inputs["sample"][:, :3], inputs["timestep"])
    with pytest.raises(ValueError, match="2 channels, the model 3"):
        model(inputs["sample"][:, :, :2], inputs["timestep"])
    with pytest.raises(ValueError, match=r"expected \(batch,\) or \(batch, 4\)"):
        model(inputs["sample"], torch.rand(3, 2))
    with pytest.raises(ValueError, match="num_class_labels=0"):
        model(**inputs, class_ids=torch.zeros(3, dtype=torch.long))
    with pytest.raises(StrictDataclassError, match="not both"):
        tiny_config(caption_hidden_size=4)
    with pytest.raises(StrictDataclassError, match="not a multiple of num_attention_heads=5"):
        tiny_config(num_attention_heads=5)


def test_a_plain_trainer_trains_and_evaluates_it(tmp_path) -> None:
    class Clips(torch.utils.data.Dataset):
        def __len__(self) -> int:
            return 8

        def __getitem__(self, index: int) -> dict[str, torch.Tensor]:
            generator = torch.Generator().manual_seed(index)
            return {
                "pixel_values": torch.rand(4, 3, 8, 8, generator=generator),
                "input_ids": torch.tensor([1, 2, index]),
            }

    model = VideoTransformerForVideoGeneration(tiny_config())
    before = {name: weight.clone() for name, weight in model.named_parameters()}
    arguments = TrainingArguments(
        output_dir=str(tmp_path),
        max_steps=4,
        per_device_train_batch_size=4,
        use_cpu=True,
        report_to="none",
        learning_rate=1e-2,
        disable_tqdm=True,
        save_strategy="no",
    )
    trainer = Trainer(model, arguments, train_dataset=Clips(), eval_dataset=Clips())
    first = trainer.evaluate()["eval_loss"]
    trainer.train()
    assert trainer.evaluate()["eval_loss"] < first
    changed = [name for name, weight in model.named_parameters() if not torch.equal(weight, before[name])]
    assert len(changed) > 0.8 * len(before)


def test_each_row_of_tokens_hears_its_own_frames() -> None:
    model, inputs = scrambled(audio_hidden_size=3), clip_inputs(VideoTransformerModel) | sounds()
    plain = model(**inputs).sample
    changed = inputs["audio_features"].clone()
    changed[:, 2:] += 1  # the second of two rows
    difference = (model(**inputs | {"audio_features": changed}).sample - plain).abs().mean(dim=(0, 2, 3, 4))
    assert difference[2:].min() > 2 * difference[:2].max() > 0
    for timestep in (torch.full((3, 4), 0.5), torch.full((3, 4, 2, 3), 0.5), torch.full((3,), 0.5)):
        torch.testing.assert_close(
            model(**inputs | {"timestep": timestep}).sample,
            model(**inputs | {"timestep": torch.full((3,), 0.5)}).sample,
        )


@pytest.mark.parametrize("conditioning", ["tokens", "cross_attention"])
def test_each_condition_is_dropped_by_its_own_column(conditioning: str) -> None:
    model = scrambled(audio_hidden_size=3, num_class_labels=2, caption_conditioning=conditioning)
    inputs = clip_inputs(VideoTransformerModel) | sounds() | {"class_ids": torch.tensor([0, 1, 1])}
    parts = (("input_ids", "attention_mask"), ("class_ids",), ("audio_features",))
    for column, names in enumerate(parts):
        mask = torch.zeros(3, 3, dtype=torch.bool)
        mask[:, column] = True
        without = {name: value for name, value in inputs.items() if name not in names}
        dropped = model(**inputs, condition_dropout_mask=mask).sample
        torch.testing.assert_close(dropped, model(**without).sample, atol=1e-5, rtol=1e-4)
        assert not torch.allclose(dropped, model(**inputs).sample, atol=1e-3)
    nothing = model(sample=inputs["sample"], timestep=inputs["timestep"]).sample
    for mask in (torch.ones(3), torch.ones(3, 3)):
        dropped = model(**inputs, condition_dropout_mask=mask).sample
        torch.testing.assert_close(dropped, nothing, atol=1e-5, rtol=1e-4)
    with pytest.raises(ValueError, match=r"condition_dropout_mask has shape \(3, 2\)"):
        model(**inputs, condition_dropout_mask=torch.zeros(3, 2))


def test_latents_hear_the_frames_they_stand_for() -> None:
    model = scrambled(vocab_size=None, audio_hidden_size=3, temporal_compression=4, patch_size=(1, 4, 4))
    inputs = {name: clip_inputs(VideoTransformerModel)[name] for name in ("sample", "timestep")}
    features = torch.randn(3, 13, 3)  # 4 latents: of one frame, and three of 4
    tokens = model._embed_audio(3, 4, features, None)
    other = features.clone()
    other[:, 5:9] = 0
    changed = (model._embed_audio(3, 4, other, None) - tokens).abs().amax(dim=(0, 2)) > 0
    assert changed.tolist() == [False, False, True, False]
    assert model(**inputs, audio_features=features).sample.shape == inputs["sample"].shape
    with pytest.raises(ValueError, match=r"audio_features has shape \(3, 4, 3\); expected \(3, 13, 3\)"):
        model(**inputs, audio_features=features[:, :4])


def test_a_model_without_audio_refuses_sound() -> None:
    with pytest.raises(ValueError, match="without audio_hidden_size"):
        scrambled()(**clip_inputs(VideoTransformerModel), **sounds())


def test_several_conditions_are_also_dropped_one_by_one() -> None:
    torch.manual_seed(0)
    clips = torch.zeros(200, 2, 3, 4, 4)
    one = VideoTransformerForVideoGeneration(tiny_config(condition_dropout=0.2)).train()
    assert one._draw(clips, None, None, None)[2].shape == (200,)
    both = VideoTransformerForVideoGeneration(tiny_config(condition_dropout=0.2, audio_hidden_size=3)).train()
    mask = both._draw(clips, None, None, None)[2].float()
    assert mask.shape == (200, 3)
    share = 1 - 0.8**2
    assert (mask.mean(dim=0) - share).abs().max() < 0.1
    assert (mask.sum(dim=1) == 1).any()
