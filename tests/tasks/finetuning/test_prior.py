"""Prior preservation: clips beside the own ones, with a weight, learned or compared with the base."""

import pytest
import torch
from safetensors.torch import load_file
from tiny_finetunings import LORA, Finetunings

from heygen_hf.data.sources import load_video_dataset
from heygen_hf.losses import FlowMatchingObjective
from heygen_hf.losses.objective import ObjectiveOutput
from heygen_hf.models.pretrained_generators import SourceLoss, SourceLosses
from heygen_hf.tasks import RecipeError
from heygen_hf.tasks.finetuning.measuring import read_log
from heygen_hf.tasks.generation import generate
from heygen_hf.tasks.run_folder import RunFolder


@pytest.fixture(scope="module")
def finetune(tmp_path_factory, tiny_pipeline_folder) -> Finetunings:
    return Finetunings(tmp_path_factory.mktemp("prior"), tiny_pipeline_folder)


@pytest.fixture(scope="module")
def prior(finetune) -> str:
    return f"data.prior.train={finetune.digits(1) / 'train'}"


def losses_of(run, name: str) -> list[float]:
    return [row[name] for row in read_log(RunFolder(run)) if name in row]


def weights_of(run, steps: int) -> dict[str, torch.Tensor]:
    return load_file(run / f"checkpoints/checkpoint-{steps}/model.safetensors")


# The loss of a batch, by itself.


@pytest.fixture
def batch():
    objective = FlowMatchingObjective()
    sample, noise = torch.randn(2, 4, 3, 2, 4, 4)
    timestep = torch.tensor([0.2, 0.5, 0.7, 0.9])
    factors = torch.tensor([1.0, 2.0, 3.0, 4.0], requires_grad=True)
    state = {"base": False}

    def denoise_rows(rows):
        return lambda noisy, _: noisy * (0.5 if state["base"] else factors[rows].view(-1, 1, 1, 1, 1))

    class AsBefore:
        def __enter__(self):
            state["base"] = True

        def __exit__(self, *_):
            state["base"] = False

    result = objective(denoise_rows(torch.arange(4)), sample=sample, noise=noise, timestep=timestep)
    noisy = objective.add_noise(sample, noise, timestep)
    options = {"objective": objective, "denoise_rows": denoise_rows, "noisy": noisy, "timestep": timestep}
    return result, options, factors, AsBefore


def test_each_source_weighs_as_it_says_and_others_as_they_are(batch):
    result, options, _, _ = batch
    weighed = SourceLosses({"prior": SourceLoss(weight=0.25)})(result, ["own", "prior", "own", "prior"], **options)
    expected = (result.loss_per_sample * torch.tensor([1, 0.25, 1, 0.25])).mean()
    torch.testing.assert_close(weighed.loss, expected)
    assert torch.equal(weighed.loss_per_sample, result.loss_per_sample)


def test_towards_the_base_the_loss_is_the_distance_to_its_prediction(batch):
    result, options, factors, as_before = batch
    losses = SourceLosses({"prior": SourceLoss(target="base")}, as_before=as_before)
    weighed = losses(result, ["own", "prior", "own", "prior"], **options)
    assert isinstance(weighed, ObjectiveOutput)
    noisy = options["noisy"]
    for row, factor in ((1, 2.0), (3, 4.0)):
        torch.testing.assert_close(weighed.loss_per_sample[row], (noisy[row] * (factor - 0.5)).square().mean())
    assert torch.equal(weighed.loss_per_sample[[0, 2]], result.loss_per_sample[[0, 2]])
    (gradient,) = torch.autograd.grad(weighed.loss, factors)
    expected = torch.stack([2 * (factors[row] - 0.5) * noisy[row].square().mean() / 4 for row in (1, 3)])
    torch.testing.assert_close(gradient[[1, 3]], expected)  # none of the base's own


def test_a_target_without_a_base_is_refused():
    with pytest.raises(ValueError, match="nothing says what that is"):
        SourceLosses({"prior": SourceLoss(target="base")})


# Recipes.


@pytest.mark.slow
def test_the_log_has_the_losses_of_both(finetune, prior):
    run = finetune("clips", prior, f"peft={LORA}", steps=4)
    own, others = losses_of(run, "loss_own"), losses_of(run, "loss_prior")
    assert own
    assert others
    assert min(*own, *others) > 0.1  # both are learned


def test_towards_the_base_there_is_no_loss_until_the_adapter_has_moved(finetune, prior):
    run = finetune("base", prior, "data.prior.target=base", f"peft={LORA}", steps=4)
    found = losses_of(run, "loss_prior")
    rows = [row for row in read_log(RunFolder(run)) if "loss_own" in row or "loss_prior" in row]
    assert rows[0].get("loss_prior", 0.0) < 1e-12  # rounding: fewer rows are multiplied otherwise
    assert 0 < found[-1] < 0.5
    assert min(losses_of(run, "loss_own")) > 0.5


@pytest.mark.slow
def test_prompts_show_the_own_clips_with_other_captions(finetune):
    given = 'data.prior={"prompts": ["a ball", "a cube"], "target": "base", "share": 0.4, "weight": 2.0}'
    run = finetune("prompts", given, f"peft={LORA}", steps=4)
    assert losses_of(run, "loss_prior")
    assert (run / "pytorch_lora_weights.safetensors").is_file()


@pytest.mark.parametrize("target", ["base", pytest.param("clips", marks=pytest.mark.slow)])
def test_a_run_that_was_stopped_goes_on_with_the_same_clips(target, finetune, prior):
    overrides = (prior, f"data.prior.target={target}", f"peft={LORA}")
    whole = finetune(target, *overrides, steps=4)
    finetune(f"{target}_resumed", *overrides, steps=2)
    resumed = finetune(f"{target}_resumed", *overrides, steps=4, resume="auto")
    ours, theirs = weights_of(resumed, 4), weights_of(whole, 4)
    assert all(torch.equal(ours[name], theirs[name]) for name in theirs)
    assert losses_of(resumed, "loss_prior") == losses_of(whole, "loss_prior")


@pytest.mark.slow
def test_accumulated_batches_are_those_of_one(finetune, prior):
    whole = finetune("clips", prior, f"peft={LORA}", steps=4)
    parts = ("training.per_device_train_batch_size=1", "training.gradient_accumulation_steps=2")
    accumulated = finetune("accumulated", prior, f"peft={LORA}", *parts, steps=4)
    for name in ("loss_own", "loss_prior"):
        assert losses_of(accumulated, name) == pytest.approx(losses_of(whole, name), rel=1e-4)
    theirs = weights_of(whole, 4)
    for name, weight in weights_of(accumulated, 4).items():
        torch.testing.assert_close(weight, theirs[name], atol=2e-4, rtol=0)


@pytest.mark.slow
def test_it_goes_with_clips_of_several_sizes_given_frames_and_full_fine_tuning(finetune, prior):
    sizes = ("data.buckets=[[9, 32, 32], [5, 32, 32]]", "data.upscale=true")
    given = "training.given_frames={none: 0.5, first: 0.5}"
    run = finetune("sizes", prior, *sizes, given, family="wan_22", steps=4)
    assert losses_of(run, "loss_prior")
    assert losses_of(run, "loss_given")


def test_the_base_makes_clips_that_a_recipe_takes(finetune, tiny_pipeline_folder, tmp_path):
    sizes = {"num_frames": 9, "height": 32, "width": 32, "num_inference_steps": 1, "guidance_scale": 1.0}
    made = generate(tiny_pipeline_folder("wan"), ["a ball", "a cube"], output_dir=tmp_path / "made", **sizes)
    assert len(made) == 2
    data = load_video_dataset(tmp_path / "made", split="train")
    assert data["text"] == ["a ball", "a cube"]


@pytest.mark.parametrize(
    ("overrides", "expected"),
    [
        (["data.prior={share: 0.5}"], "one of the two"),
        (["data.prior={train: x, prompts: [a ball]}"], "one of the two"),
        (["data.prior={prompts: [a ball]}"], "set target"),
        (["data.prior={train: x, weight: 0}"], "weight must be above 0"),
        (["data.prior={train: x}", "data.replay={train: x, share: 0.6}"], "leaves nothing of train"),
        (["data.prior={train: x}", "data.streaming=true"], "drop one"),
    ],
)
def test_what_cannot_be_is_refused_with_the_recipe(overrides, expected, finetune):
    with pytest.raises(RecipeError, match=expected):
        finetune("refused", *overrides)


def test_the_base_is_there_only_beside_an_adapter(finetune, prior):
    with pytest.raises(ValueError, match="add a peft section"):
        finetune("refused", prior, "data.prior.target=base")
