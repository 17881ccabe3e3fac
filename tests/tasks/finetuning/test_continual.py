"""A second fine-tuning beside the adapter of a first: what stays, what is exported, and what is replayed."""

import pytest
import torch
from diffusers import DiffusionPipeline
from peft import LoraConfig
from safetensors.torch import load_file, save_file
from sampled_frames import sampled
from tiny_finetunings import LORA, Finetunings

from heygen_hf.models.pretrained_generators import family_of
from heygen_hf.tasks import RecipeError
from heygen_hf.tasks.finetuning.adapter.earlier import OrthogonalToEarlier, join_adapters, without_adapter
from heygen_hf.tasks.finetuning.adapter.lora import ADAPTER, add_adapter
from heygen_hf.tasks.finetuning.adapter.section import AdapterSection
from heygen_hf.tasks.finetuning.measuring import read_log
from heygen_hf.tasks.run_folder import RunFolder


@pytest.fixture(scope="module")
def finetune(tmp_path_factory, tiny_pipeline_folder) -> Finetunings:
    return Finetunings(tmp_path_factory.mktemp("twice"), tiny_pipeline_folder)


@pytest.fixture
def family(tiny_pipeline_folder):
    pipeline = DiffusionPipeline.from_pretrained(str(tiny_pipeline_folder("wan")))
    pipeline.set_progress_bar_config(disable=True)
    return family_of(type(pipeline).__name__)(pipeline)


def write_adapter(folder, pipeline, *, rank: int, targets: list[str], seed: int, use_dora: bool = False) -> str:
    """An adapter with random weights, written by diffusers and taken out of the pipeline again."""
    config = LoraConfig(r=rank, lora_alpha=2 * rank, target_modules=targets, use_dora=use_dora)
    pipeline.transformer.add_adapter(config, "written")
    tensors = {}
    generator = torch.Generator().manual_seed(seed)
    for name, weight in pipeline.transformer.named_parameters():
        if ".written." in name:
            tensors[name.replace(".written", "")] = torch.randn(weight.shape, generator=generator) * 0.1
    pipeline.save_lora_weights(
        str(folder),
        transformer_lora_layers=tensors,
        transformer_lora_adapter_metadata=pipeline.transformer.peft_config["written"].to_dict(),
    )
    pipeline.transformer.unload_lora()
    return str(folder)


@pytest.fixture
def two_earlier(family, tmp_path):
    """Two adapters of other ranks and layers."""
    first = write_adapter(tmp_path / "a", family.pipeline, rank=2, targets=["to_q", "to_k"], seed=1)
    second = write_adapter(tmp_path / "b", family.pipeline, rank=3, targets=["to_k", "to_v"], seed=2)
    return [first, second]


def video(pipeline) -> torch.Tensor:
    sizes = {"num_frames": 9, "height": 32, "width": 32, "num_inference_steps": 2, "guidance_scale": 1.0}
    generator = torch.Generator().manual_seed(0)
    return pipeline(prompt="a red ball", generator=generator, output_type="pt", **sizes).frames


def stir(transformer) -> None:
    """Random weights for what learns."""
    generator = torch.Generator().manual_seed(3)
    with torch.no_grad():
        for weight in transformer.parameters():
            if weight.requires_grad:
                weight += torch.randn(weight.shape, generator=generator) * 0.1


SECTION = {"r": 4, "lora_alpha": 6, "target_modules": ["to_q", "to_out.0"]}


def test_only_the_new_adapter_learns_and_without_it_the_earlier_ones_are_at_work(family, two_earlier):
    pipeline, transformer = family.pipeline, family.pipeline.transformer
    for number, folder in enumerate(two_earlier):
        pipeline.load_lora_weights(folder, adapter_name=f"plain_{number}")
    pipeline.set_adapters(["plain_0", "plain_1"])
    earlier = video(pipeline)
    pipeline.unload_lora_weights()
    base = video(pipeline)

    add_adapter(family, AdapterSection(**SECTION, previous=two_earlier))
    assert {name.split(".")[-2] for name, weight in transformer.named_parameters() if weight.requires_grad} == {ADAPTER}
    torch.testing.assert_close(video(pipeline), earlier, atol=1e-5, rtol=0)
    stir(transformer)
    changed = video(pipeline)
    with without_adapter(transformer, ADAPTER):
        torch.testing.assert_close(video(pipeline), earlier, atol=1e-5, rtol=0)
    assert torch.equal(video(pipeline), changed)
    assert min((changed - earlier).abs().max(), (earlier - base).abs().max()) > 1e-3


def test_joined_adapters_are_one_that_plain_diffusers_loads_and_that_does_the_same(family, two_earlier, tmp_path):
    pipeline, transformer = family.pipeline, family.pipeline.transformer
    add_adapter(family, AdapterSection(**SECTION, previous=two_earlier))
    stir(transformer)
    together = video(pipeline)
    join_adapters(transformer, ADAPTER)
    joined = video(pipeline)
    torch.testing.assert_close(joined, together, atol=1e-5, rtol=0)
    assert list(transformer.peft_config) == [ADAPTER]
    assert transformer.peft_config[ADAPTER].r == 2 + 3 + 4


def test_the_new_adapter_reads_nothing_that_earlier_ones_read(family, two_earlier):
    transformer = family.pipeline.transformer
    add_adapter(family, AdapterSection(**SECTION, previous=two_earlier, orthogonal=False))
    keep = OrthogonalToEarlier(transformer, ADAPTER)
    assert keep.overlap() > 0.02
    keep()
    assert keep.overlap() < 1e-12
    layer = transformer.blocks[0].attn1.to_q
    across = layer.lora_A[ADAPTER].weight @ layer.lora_A["earlier_0"].weight.T
    assert across.abs().max() < 1e-6
    assert layer.lora_A[ADAPTER].weight.norm() > 0.5


def test_what_earlier_ones_read_moves_to_the_new_rows_device_once(family, two_earlier):
    transformer = family.pipeline.transformer
    add_adapter(family, AdapterSection(**SECTION, previous=two_earlier, orthogonal=False))
    keep = OrthogonalToEarlier(transformer, ADAPTER)  # made before the trainer moves the model
    transformer.to("meta")
    keep()
    first, second = ([basis for _, basis in keep._rows()] for _ in range(2))
    assert all(basis.is_meta for basis in first)
    assert all(basis is same for basis, same in zip(first, second, strict=True))


@pytest.mark.parametrize("change", ["no folder", "another model", "dora", "all inputs"])
def test_an_earlier_adapter_that_cannot_be_is_refused(change, family, tmp_path):
    folder, expected = str(tmp_path / "adapter"), "is no adapter of this model"
    if change == "no folder":
        expected = f"peft.previous: no folder {folder}"
    elif change == "another model":
        (tmp_path / "adapter").mkdir()
        tensors = {"transformer.blocks.0.attn1.to_q.lora_A.weight": torch.ones(2, 3)}
        tensors["transformer.blocks.0.attn1.to_q.lora_B.weight"] = torch.ones(3, 2)
        save_file(tensors, tmp_path / "adapter" / "pytorch_lora_weights.safetensors")
    elif change == "dora":
        write_adapter(folder, family.pipeline, rank=2, targets=["to_q"], seed=0, use_dora=True)
        expected = "is a DoRA"
    else:
        width = family.pipeline.transformer.blocks[0].attn1.to_q.in_features
        write_adapter(folder, family.pipeline, rank=width, targets=["to_q"], seed=0)
        expected = f"reads all {width} inputs"
    with pytest.raises(ValueError, match=expected):
        add_adapter(family, AdapterSection(**SECTION, previous=[folder]))


@pytest.fixture(scope="module")
def second(finetune) -> list[str]:
    """The overrides of a second fine-tuning, of other clips, beside the adapter of the first."""
    first, other = finetune("first", f"peft={LORA}"), finetune.digits(1)
    previous = f"peft.previous=[{first}]"
    replay = f"data.replay={{train: {finetune.digits() / 'train'}, share: 0.5}}"
    return [f"peft={LORA}", previous, replay, f"data.train={other / 'train'}", "training.learning_rate=0.05"]


def test_a_second_fine_tuning_leaves_one_adapter_orthogonal_to_the_first(finetune, second, tiny_pipeline_folder):
    run = finetune("second", *second, steps=4)
    tensors, first = (
        load_file(folder / "pytorch_lora_weights.safetensors") for folder in (run, run.with_name("first"))
    )
    for name, matrix in tensors.items():
        if name.endswith("lora_A.weight"):
            assert torch.equal(matrix[:4], first[name])
            assert (matrix[4:] @ matrix[:4].T).abs().max() < 1e-5
    pipeline = DiffusionPipeline.from_pretrained(str(tiny_pipeline_folder("wan")))
    pipeline.load_lora_weights(str(run))
    assert torch.equal(sampled(pipeline, run), load_file(run / "reference.safetensors")["frames"])
    rows = [row for row in read_log(RunFolder(run)) if "loss" in row]
    assert any("loss_replay" in row for row in rows)
    assert any("loss_own" in row for row in rows)
    card = (run / "README.md").read_text()
    assert "| replay | train, 50% of the samples |" in card
    assert "first, which the new one leaves alone" in card


@pytest.mark.slow
def test_it_resumes_exactly(finetune, second):
    run = finetune("second", *second, steps=4)
    finetune("resumed", *second, steps=2)
    finetune("resumed", *second, steps=4, resume="auto")
    ours, theirs = (
        load_file(run.with_name(name) / "pytorch_lora_weights.safetensors") for name in ("resumed", "second")
    )
    assert ours.keys() == theirs.keys()
    assert all(torch.equal(ours[name], theirs[name]) for name in ours)


def test_an_earlier_adapter_that_is_not_there_is_missed_before_anything_is_decoded(finetune, tmp_path):
    with pytest.raises(ValueError, match=r"peft.previous: no folder .*gone"):
        finetune("refused", f"peft={{previous: [{tmp_path / 'gone'}]}}")


@pytest.mark.parametrize(
    ("override", "expected"),
    [
        ("data.replay={train: x, share: 1.5}", "share must lie between 0 and 1"),
        ("peft={method: dora, previous: [x]}", "with previous, set it to lora"),
    ],
)
def test_what_cannot_be_is_refused_with_the_recipe(override, expected, finetune):
    with pytest.raises(RecipeError, match=expected):
        finetune("refused", override)
