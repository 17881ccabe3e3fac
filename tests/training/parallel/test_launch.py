import os
from pathlib import Path

import pytest
import torch
import yaml

from heygen_hf.training import VideoGenerationTrainingArguments
from heygen_hf.training.parallel.launch import check_launch

CONFIGS = sorted((Path(__file__).parents[3] / "recipes" / "accelerate").glob("*.yaml"))
no_gpu = pytest.mark.skipif(torch.cuda.is_available(), reason="for machines without a GPU")


@pytest.fixture
def launched(monkeypatch: pytest.MonkeyPatch) -> pytest.MonkeyPatch:
    """The environment that `accelerate launch` makes for two processes on a CPU."""
    for name in list(os.environ):
        if name.startswith(("ACCELERATE_", "FSDP_", "CUDA_VISIBLE")):
            monkeypatch.delenv(name)
    monkeypatch.setenv("ACCELERATE_MIXED_PRECISION", "no")
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "-1,-1")
    monkeypatch.setenv("WORLD_SIZE", "2")
    return monkeypatch


def test_what_can_run_is_not_refused(launched: pytest.MonkeyPatch) -> None:
    check_launch()
    launched.setenv("ACCELERATE_USE_FSDP", "true")
    launched.setenv("FSDP_VERSION", "2")
    check_launch()


@no_gpu
def test_a_configuration_for_gpus_needs_one(launched: pytest.MonkeyPatch) -> None:
    launched.delenv("CUDA_VISIBLE_DEVICES")  # multi_gpu.yaml: all of them
    with pytest.raises(ValueError, match=r"for GPUs and torch finds none here: use recipes/accelerate/cpu\.yaml"):
        check_launch()
    launched.setenv("WORLD_SIZE", "1")
    check_launch()  # no configuration at all
    launched.setenv("CUDA_VISIBLE_DEVICES", "0")  # one_gpu.yaml
    with pytest.raises(ValueError, match="for GPUs and torch finds none here"):
        check_launch()
    launched.setenv("ACCELERATE_USE_CPU", "true")
    check_launch()
    launched.delenv("ACCELERATE_USE_CPU")
    launched.delenv("ACCELERATE_MIXED_PRECISION")  # not by accelerate: a machine's own setting
    check_launch()


def test_sharding_needs_several_processes_and_its_second_version(launched: pytest.MonkeyPatch) -> None:
    launched.setenv("ACCELERATE_USE_FSDP", "true")
    with pytest.raises(ValueError, match="fsdp_version=1 is not supported: set fsdp_version: 2"):
        check_launch()
    launched.setenv("WORLD_SIZE", "1")
    with pytest.raises(ValueError, match=r"starts one process, .* give --num_processes 2"):
        check_launch()


def test_the_recipe_decides_the_precision(launched: pytest.MonkeyPatch, tmp_path: Path) -> None:
    launched.setenv("WORLD_SIZE", "1")
    launched.setenv("ACCELERATE_MIXED_PRECISION", "bf16")
    options = {"output_dir": str(tmp_path), "use_cpu": True}
    assert VideoGenerationTrainingArguments(**options, precision="fp32").mixed_precision == "no"
    assert VideoGenerationTrainingArguments(**options, precision="bf16").mixed_precision == "bf16"


@pytest.mark.parametrize("config", CONFIGS, ids=lambda path: path.stem)
def test_a_configuration_says_how_to_start_it_and_who_ran_it(config: Path) -> None:
    text = config.read_text()
    start = f"accelerate launch --config_file recipes/accelerate/{config.name} -m heygen_hf train RECIPE"
    assert any(start in line for line in text.splitlines()[1:4])
    values = yaml.safe_load(text)
    assert values["mixed_precision"] == "no"
    on_cpu = values.get("use_cpu", False)
    assert on_cpu or "No GPU has run this yet" in " ".join(text.replace("#", " ").split())
