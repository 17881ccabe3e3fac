"""Fine-tunings to a small Hub on loopback: what is pushed loads in plain diffusers, and planted faults are named."""

import json
import shutil
from pathlib import Path

import pytest
import torch
import yaml
from loopback_hub import TOKEN, LoopbackHub
from safetensors import safe_open
from safetensors.torch import load_file, save_file

from heygen_hf.hub.gate import GateError, load_in_clean_process, promised_ways
from heygen_hf.hub.repo_folder import read_export, write_repo_folder
from heygen_hf.tasks.finetuning.card import write_finetuning_card
from heygen_hf.tasks.publishing import publish_run
from heygen_hf.tasks.publishing.pipeline_adapters import (
    check_pipeline_adapter,
    find_named_base,
    pipeline_adapter_job,
)
from heygen_hf.tasks.recipe import load_recipe
from heygen_hf.tasks.run_folder import RunFolder

NAME, BASE = "someone/my-lora", "someone/tiny-wan"
WEIGHTS = "pytorch_lora_weights.safetensors"


def with_card(run: Path, target: Path) -> Path:
    """A copy with its card, which a test may spoil."""
    shutil.copytree(run, target)
    values = yaml.safe_load((target / "recipe.yaml").read_text())
    (target / "recipe.yaml").write_text(yaml.safe_dump({**values, "hub": {"license": "apache-2.0"}}))
    recipe = load_recipe(target / "recipe.yaml")
    write_finetuning_card(RunFolder(target), recipe)
    return target


def forget_hashes(run: Path) -> None:
    record = run / "reference.json"
    record.write_text(json.dumps({k: v for k, v in json.loads(record.read_text()).items() if k != "files"}))


@pytest.fixture
def run(adapter, tmp_path: Path) -> Path:
    return with_card(adapter("wan"), tmp_path / "my_lora")


def change(run: Path, how) -> None:
    path = run / WEIGHTS
    with safe_open(path, framework="pt") as file:
        metadata = file.metadata()
    save_file(how(load_file(path)), str(path), metadata=metadata)


def problems(run: Path, tmp_path: Path, *, base_model: str | None = BASE) -> dict[str, str | None]:
    exported = write_repo_folder(run, tmp_path / "repository", repo_id=NAME)
    exported, base = find_named_base(run, exported, base_model)
    return {check.name: check.problem for check in check_pipeline_adapter(exported, base)}


def test_an_adapter_is_published_under_its_bases_name(run: Path, hub: LoopbackHub) -> None:
    """Pushed, and loaded from the Hub in plain diffusers where this package cannot be imported."""
    said: list[str] = []
    published = publish_run(run, repo_id=NAME, base_model=BASE, token=TOKEN, endpoint=hub.url, say=said.append)
    assert published.pushed is not None
    names = [check.name for check in published.checks]
    assert names.count("WanPipeline, without heygen_hf") == 2  # from the folder, and from the revision
    held = hub.files(NAME)
    assert {WEIGHTS, "comfyui_lora.safetensors", "base_pipeline.json", "README.md", "reference.safetensors"} <= set(
        held
    )
    assert not any(name.endswith(".py") for name in held)
    assert json.loads(held["base_pipeline.json"])["base_model"] == BASE
    card = held["README.md"].decode()
    assert f"base_model: {BASE}" in card
    assert f'WanPipeline.from_pretrained("{BASE}")' in card
    assert f'pipe.load_lora_weights("{NAME}")' in card
    with safe_open(published.folder / WEIGHTS, framework="pt") as file:
        assert file.metadata()["base_model"] == BASE
    assert load_file(published.folder / WEIGHTS).keys() == load_file(run / WEIGHTS).keys()


def test_a_base_that_is_a_folder_needs_a_name(run: Path, tmp_path: Path) -> None:
    found = problems(run, tmp_path, base_model=None)["adapter: name of its base"]
    assert found is not None
    assert "--base-model USER/NAME" in found


def test_the_revision_of_a_base_can_be_given(run: Path, tmp_path: Path) -> None:
    exported = write_repo_folder(run, tmp_path / "repository", repo_id=NAME)
    exported, _ = find_named_base(run, exported, f"{BASE}@v1")
    assert (exported.config["base_model"], exported.config["base_revision"]) == (BASE, "v1")


def test_an_adapter_without_faults_passes(run: Path, tmp_path: Path) -> None:
    assert set(problems(run, tmp_path).values()) == {None}


def test_a_renamed_key(run: Path, tmp_path: Path) -> None:
    change(run, lambda tensors: {key.replace("0.attn1.to_q", "0.attn1.to_z"): tensors[key] for key in tensors})
    assert problems(run, tmp_path)["adapter: weights"] == (
        f"the base has no layer blocks.0.attn1.to_z, which {WEIGHTS} adapts"
    )


def test_half_of_a_layer(run: Path, tmp_path: Path) -> None:
    gone = "transformer.blocks.0.attn1.to_q.lora_B.weight"
    change(run, lambda tensors: {key: tensor for key, tensor in tensors.items() if key != gone})
    assert problems(run, tmp_path)["adapter: weights"] == "blocks.0.attn1.to_q has lora_A.weight alone"


def test_a_weight_that_is_of_no_lora(run: Path, tmp_path: Path) -> None:
    change(run, lambda tensors: {**tensors, "transformer.proj_out.weight": torch.zeros(2)})
    found = problems(run, tmp_path)["adapter: weights"]
    assert found == "transformer.proj_out.weight is no weight of a LoRA of the transformer"


def test_another_revision_of_the_base(run: Path, tiny_pipeline_folder, tmp_path: Path) -> None:
    base = Path(shutil.copytree(tiny_pipeline_folder("wan"), tmp_path / "other"))
    path = base / "transformer" / "diffusion_pytorch_model.safetensors"
    tensors = load_file(path)
    tensors["proj_out.bias"] += 1
    save_file(tensors, str(path), metadata={"format": "pt"})
    values = yaml.safe_load((run / "recipe.yaml").read_text())
    (run / "recipe.yaml").write_text(yaml.safe_dump({**values, "model": {"pretrained": str(base)}}))
    found = problems(run, tmp_path)["adapter: base"]
    assert found is not None
    assert "has other weights: give the same revision" in found


@pytest.mark.slow
def test_a_changed_weight_makes_other_frames(run: Path, tmp_path: Path) -> None:
    forget_hashes(run)
    key = "transformer.blocks.1.attn2.to_v.lora_B.weight"
    change(run, lambda tensors: {**tensors, key: tensors[key] * 1.01})
    exported, base = find_named_base(run, write_repo_folder(run, tmp_path / "repository", repo_id=NAME), BASE)
    checks = load_in_clean_process(exported, promised_ways(exported), extra=pipeline_adapter_job(base))
    assert [check.name for check in checks] == ["WanPipeline, without heygen_hf"]
    assert "frames is not the reference, bit for bit" in str(checks[0].problem)


def test_a_change_since_the_export_is_named(run: Path) -> None:
    change(run, lambda tensors: {key: tensor * 2 for key, tensor in tensors.items()})
    with pytest.raises(GateError, match=f"{WEIGHTS} was changed since the export"):
        publish_run(run, repo_id=NAME, base_model=BASE, local_only=True, say=lambda _: None)


@pytest.mark.slow
@pytest.mark.parametrize("kind", ["full", "merged"])
def test_a_whole_pipeline_is_published(kind: str, export, tmp_path: Path, hub: LoopbackHub) -> None:
    run = with_card(export("ltx", **({"peft": False} if kind == "full" else {"merge": True})), tmp_path / kind)
    published = publish_run(run, repo_id=NAME, token=TOKEN, endpoint=hub.url, say=lambda _: None)
    names = [check.name for check in published.checks]
    assert names.count("LTXPipeline, without heygen_hf") == 2
    held = hub.files(NAME)
    assert {"model_index.json", "base_pipeline.json", "transformer/diffusion_pytorch_model.safetensors"} <= set(held)
    assert not any(name.endswith(".py") for name in held)


def test_a_folder_of_an_adapter_is_known_as_one(run: Path) -> None:
    exported = read_export(run)
    assert exported.kind == "pipeline_adapter"
    assert {WEIGHTS, "base_pipeline.json"} <= set(exported.model_files())
