"""A published transformer trains as the package's own generators do."""

import copy

import pytest
import torch
from peft import LoraConfig
from sampling import collated, family_around, frames_of, latent_shape, picture
from tiny_pipelines import TINY_CLIPS, tiny_pipeline

from heygen_hf.models.pretrained_generators import (
    FAMILIES,
    GeneratorFamily,
    PretrainedGeneratorConfig,
    PretrainedVideoGenerator,
)

# One of each family.
NAMES = [
    "wan",
    "wan_image_to_video",
    "wan_vace",
    "ltx",
    "cogvideox",
    "cogvideox_image_to_video",
    "cogvideox_control",
    "hunyuan_video",
    "mochi",
]
PROMPTS = ["a red ball", "two dogs run, one cat sleeps"]


def _generator(name: str, *, adapts: bool = True, **options: object) -> PretrainedVideoGenerator:
    family = family_around(tiny_pipeline(name))
    transformer = family.pipeline.transformer.requires_grad_(not adapts)
    if adapts:
        transformer.add_adapter(
            LoraConfig(r=2, lora_alpha=2, target_modules=list(family.lora_targets), init_lora_weights=False)
        )
    return _around(family, **options)


def _around(family: GeneratorFamily, *, condition_dropout: float = 0.0) -> PretrainedVideoGenerator:
    config = PretrainedGeneratorConfig(
        family=family.name,
        num_channels=family.latent_channels,
        patch_size=family.patch_size,
        temporal_compression=family.temporal_compression,
        spatial_compression=family.spatial_compression,
        condition_dropout=condition_dropout,
    )
    empty = family.encode_prompts([""])[0]
    return PretrainedVideoGenerator(family, config, objective=family.objective(tokens=16), empty_caption=empty)


def _batch(model: PretrainedVideoGenerator, name: str, prompts: list[str] = PROMPTS) -> dict[str, torch.Tensor]:
    family, count = model.family, len(prompts)
    shape = latent_shape(family, TINY_CLIPS[name], batch=count)
    batch = {
        **collated(family, prompts),
        "pixel_values": torch.randn(shape),
        "noise": torch.randn(shape),
        "timestep": torch.linspace(0.3, 0.8, count),
    }
    if family.takes_first_frame:
        pictures = frames_of([picture(number) for number in range(count)])
        batch |= family.encode_first_frames(pictures, num_frames=TINY_CLIPS[name]["num_frames"])
    if family.takes_control:
        pictures = frames_of([picture(number) for number in range(9 * count)])
        batch |= family.encode_control(pictures.unflatten(0, (count, 9)))
    return batch


def test_there_is_one_of_each_family():
    assert {type(family_around(tiny_pipeline(name))) for name in NAMES} == set(FAMILIES)


@pytest.mark.parametrize("name", NAMES)
def test_the_loss_falls_with_an_adapter_and_nothing_else_changes(name):
    model = _generator(name).train()
    batch = _batch(model, name)
    before = {key: value.clone() for key, value in model.transformer.state_dict().items()}
    optimizer = torch.optim.Adam([weight for weight in model.parameters() if weight.requires_grad], lr=1e-2)
    losses = []
    for _ in range(4):
        loss = model(**batch).loss
        loss.backward()
        optimizer.step()
        optimizer.zero_grad()
        losses.append(loss.item())
    assert losses[-1] < losses[0]
    after = model.transformer.state_dict()
    changed = {key for key in before if not torch.equal(before[key], after[key])}
    assert changed
    assert all("lora_" in key for key in changed)
    # The last blocks of some leave off the text's own outputs, so that a matrix may have nothing to do.
    assert len(changed) > 0.7 * sum("lora_" in key for key in before)


@pytest.mark.parametrize("name", NAMES)
def test_all_weights_have_gradients_in_full_fine_tuning(name):
    model = _generator(name, adapts=False).train()
    output = model(**_batch(model, name))
    assert output.loss.isfinite()
    assert output.prediction is None
    output.loss.backward()
    without = [key for key, weight in model.named_parameters() if weight.grad is None or not weight.grad.any()]
    assert len(without) < 0.1 * len(list(model.parameters())), without
    assert model.state_dict().keys() == dict(model.named_parameters()).keys()


@pytest.mark.parametrize("name", NAMES)
def test_a_dropped_caption_is_the_empty_one(name):
    model = _generator(name).eval()
    batch = _batch(model, name)
    dropped = model(**batch, condition_dropout_mask=torch.tensor([True, False]))
    empty = model(**batch | collated(model.family, ["", PROMPTS[1]]))
    torch.testing.assert_close(dropped.prediction, empty.prediction)
    kept = model(**batch, condition_dropout_mask=torch.tensor([False, False]))
    assert torch.equal(dropped.prediction[1], kept.prediction[1])
    assert not torch.allclose(dropped.prediction[0], kept.prediction[0])


@pytest.mark.parametrize("name", ["wan", "hunyuan_video"])
def test_captions_that_are_shorter_than_the_empty_one_are_dropped_too(name):
    model = _generator(name).eval()
    batch = _batch(model, name, ["", ""])
    batch["encoder_hidden_states"] = batch["encoder_hidden_states"][:, :1]
    batch["attention_mask"] = batch["attention_mask"][:, :1]
    dropped = model(**batch, condition_dropout_mask=torch.tensor([True, True]))
    empty = model(**batch | collated(model.family, ["", ""]))
    torch.testing.assert_close(dropped.prediction, empty.prediction)


def test_captions_are_dropped_in_training_and_not_in_evaluation():
    model = _generator("wan", adapts=False).eval()
    model.config.condition_dropout = 1.0
    batch = _batch(model, "wan")
    empty = model(**batch | collated(model.family, ["", ""])).loss
    plain = model(**batch).loss
    assert torch.equal(model.train()(**batch).loss, empty)
    assert torch.equal(model.eval()(**batch).loss, plain)
    assert not torch.equal(empty, plain)


def test_dropping_captions_needs_an_empty_one():
    family = family_around(tiny_pipeline("wan"))
    config = PretrainedGeneratorConfig(condition_dropout=0.1)
    with pytest.raises(ValueError, match=r"condition_dropout=0\.1"):
        PretrainedVideoGenerator(family, config, objective=family.objective(tokens=16))


@pytest.mark.parametrize("name", NAMES)
def test_what_is_saved_is_what_was_trained(name, tmp_path):
    model = _generator(name).eval()
    saved = {key: value.clone() for key, value in model.state_dict().items()}
    assert saved
    assert all("lora_" in key for key in saved)
    assert not any(key.startswith("family") for key in saved)
    batch = _batch(model, name)
    expected = model(**batch).prediction
    for weight in model.parameters():
        weight.data.add_(0.1 * weight.requires_grad)
    assert not torch.equal(model(**batch).prediction, expected)
    model.load_state_dict(saved)
    assert torch.equal(model(**batch).prediction, expected)


def test_weights_that_do_not_fit_are_refused():
    model = _generator("wan")
    saved = model.state_dict()
    first = next(iter(saved))
    with pytest.raises(RuntimeError, match="missing"):
        model.load_state_dict({key: value for key, value in saved.items() if key != first})
    with pytest.raises(RuntimeError, match="unknown"):
        model.load_state_dict(saved | {"transformer.other": saved[first]})
    found = model.load_state_dict({key: value for key, value in saved.items() if key != first}, strict=False)
    assert found.missing_keys == [first]


@pytest.mark.parametrize(("name", "offload"), [*((name, False) for name in NAMES), ("wan", True), ("mochi", True)])
def test_recomputed_activations_give_the_same_gradients(name, offload):
    model = _generator(name).train()
    other = copy.deepcopy(model)
    batch = _batch(model, name)
    model(**batch).loss.backward()
    other.activation_checkpointing_enable(offload=offload)
    recomputed = []
    for module in other.transformer.modules():
        if module.__class__.__name__.endswith("Block"):
            module.register_forward_pre_hook(lambda *_: recomputed.append(torch.is_grad_enabled()))
    other(**batch).loss.backward()
    for (key, one), (_, again) in zip(model.named_parameters(), other.named_parameters(), strict=True):
        assert (one.grad is None) == (again.grad is None), key
        if one.grad is not None:
            torch.testing.assert_close(one.grad, again.grad, rtol=1e-5, atol=1e-8, msg=key)
    plain = len(recomputed)
    other.activation_checkpointing_disable()
    recomputed.clear()
    other(**batch).loss.backward()
    assert len(recomputed) < plain


@pytest.mark.parametrize("name", ["ltx", "wan_22"])
def test_given_frames_are_clean_and_have_no_loss(name):
    model = _generator(name).eval()
    batch = _batch(model, name)
    frames = batch["pixel_values"].shape[1]
    batch["timestep"] = torch.full((2, frames), 0.7)
    batch["timestep"][0, 0] = 0
    seen = []
    model.transformer.register_forward_pre_hook(
        lambda _, __, inputs: seen.append(inputs["hidden_states"]), with_kwargs=True
    )
    output = model(**batch)
    clean = model.family.transformer_inputs(batch["pixel_values"], batch["timestep"], batch)["hidden_states"]
    same = seen[0] == clean
    of_frame = same.all(1).flatten(2).all(2) if name == "wan_22" else same.unflatten(1, (frames, -1)).flatten(2).all(2)
    assert of_frame.tolist() == [[True] + [False] * (frames - 1), [False] * frames]
    error = (output.prediction - (batch["noise"] - batch["pixel_values"])).square().mean((2, 3, 4))
    torch.testing.assert_close(output.loss_per_sample, torch.stack([error[0, 1:].mean(), error[1].mean()]))


def test_evaluation_draws_the_same_noise_every_time_and_training_does_not():
    model = _generator("wan").eval()
    batch = _batch(model, "wan")
    del batch["noise"], batch["timestep"]
    assert torch.equal(model(**batch).loss, model(**batch).loss)
    model.train()
    assert not torch.equal(model(**batch).loss, model(**batch).loss)
