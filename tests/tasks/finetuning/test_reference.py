"""The frames to compare with: made with one part on the device at a time, and no run is lost for them."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from parts_elsewhere import Journal
from safetensors.torch import load_file
from tiny_pipelines import TINY_CLIPS
from torch import nn

from heygen_hf.pipelines.pretrained_generator import PretrainedGeneratorPipeline, SamplingDefaults
from heygen_hf.tasks.finetuning.adapter.lora import WEIGHTS, add_adapter
from heygen_hf.tasks.finetuning.adapter.section import AdapterSection
from heygen_hf.tasks.finetuning.base.pipeline import BasePipeline, find_base, load_family
from heygen_hf.tasks.finetuning.export import BASE_FILE, export_finetuned
from heygen_hf.tasks.finetuning.loading import load_finetuned
from heygen_hf.tasks.run_folder import RunFolder

_SECTION = AdapterSection(r=4, lora_alpha=4)


def _trained(folder: Path, family: str) -> tuple[PretrainedGeneratorPipeline, BasePipeline]:
    base = find_base({"pretrained": str(folder)})
    loaded = load_family(base, {"dtype": "float32"}, adapts=True)
    add_adapter(loaded, _SECTION)
    sampling = SamplingDefaults(**TINY_CLIPS[family], num_inference_steps=2, guidance_scale=1.0)
    return PretrainedGeneratorPipeline(loaded, sampling), base


def _export(pipeline: PretrainedGeneratorPipeline, base: BasePipeline, folder: Path) -> Path:
    folder.mkdir(exist_ok=True)
    export_finetuned(RunFolder(folder), pipeline, base=base, peft=_SECTION, prompts=["a red ball"], seed=0, given={})
    return folder


def _read(file: Path) -> dict[str, Any]:
    """Without hashes: safetensors writes a header in any order."""
    said = json.loads(file.read_text())
    return {**said, "files": sorted(said.get("files", {}))}


def test_the_transformer_waits_elsewhere_while_encoders_compute(
    tiny_pipeline_folder: Callable[[str], Path], tmp_path: Path
) -> None:
    pipeline, base = _trained(tiny_pipeline_folder("ltx"), "ltx")
    encoders = Journal()
    for name, part in pipeline.family.pipeline.components.items():
        if isinstance(part, nn.Module) and name != "transformer":
            encoders.add(part, name)
    transformer = Journal()
    transformer.add(pipeline.transformer, "transformer")  # "elsewhere" is the device here, and the CPU where it waits
    pipeline.family.pipeline.text_encoder.register_forward_hook(lambda *_: transformer.append(("text", "computes")))
    _export(pipeline, base, tmp_path / "run")
    assert encoders.most_visitors() == 1
    assert encoders.names("comes") == encoders.names("leaves") == ["text_encoder", "vae"]
    assert transformer[0] == ("transformer", "comes")
    assert ("text", "computes") in transformer
    assert transformer[-1] == ("transformer", "leaves")


@pytest.mark.parametrize(
    "error",
    [
        torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 20.00 GiB"),
        MemoryError(),
        RuntimeError("[enforce fail at alloc_cpu.cpp:124] DefaultCPUAllocator: can't allocate memory: you tried"),
    ],
    ids=["device", "python", "machine"],
)
def test_a_reference_that_memory_does_not_hold_loses_no_run(
    error: Exception,
    tiny_pipeline_folder: Callable[[str], Path],
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    pipeline, base = _trained(tiny_pipeline_folder("ltx"), "ltx")
    run = _export(pipeline, base, tmp_path / "run")
    assert (run / "reference.safetensors").is_file()
    whole = [_read(run / name) for name in (BASE_FILE, "reference.json")]
    parts = {name: part for name, part in pipeline.family.pipeline.components.items() if isinstance(part, nn.Module)}

    def fail(*_: object) -> None:
        raise error

    pipeline.vae.decoder.register_forward_pre_hook(fail)
    capsys.readouterr()
    _export(pipeline, base, run)

    assert not (run / "reference.safetensors").exists()
    warnings = [line for line in capsys.readouterr().out.splitlines() if line.startswith("warning: memory")]
    assert len(warnings) == 1
    assert "--resume auto" in warnings[0]
    assert [_read(run / name) for name in (BASE_FILE, "reference.json")] == whole
    assert load_file(run / WEIGHTS)
    assert load_finetuned(run, base=str(base.folder)).family.name == "ltx"
    assert pipeline.family.pipeline.components["transformer"] is parts["transformer"]


def test_another_failure_of_the_reference_is_no_question_of_memory(
    tiny_pipeline_folder: Callable[[str], Path], tmp_path: Path
) -> None:
    pipeline, base = _trained(tiny_pipeline_folder("ltx"), "ltx")

    def fail(*_: object) -> None:
        raise RuntimeError("shapes do not match")

    pipeline.vae.decoder.register_forward_pre_hook(fail)
    with pytest.raises(RuntimeError, match="shapes do not match"):
        _export(pipeline, base, tmp_path / "run")
    assert not (tmp_path / "run" / BASE_FILE).exists()
