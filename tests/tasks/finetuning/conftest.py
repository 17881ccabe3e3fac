"""Exported fine-tunings of tiny pipelines, without the training: adapters with random weights."""

import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import torch
import yaml

sys.path.insert(0, str(Path(__file__).parent))  # `from sampled_frames import sampled`
sys.path.insert(0, str(Path(__file__).parents[2] / "hub"))  # `from loopback_hub import LoopbackHub`

from loopback_hub import LoopbackHub

from heygen_hf.pipelines.pretrained_generator import PretrainedGeneratorPipeline, SamplingDefaults
from heygen_hf.tasks.finetuning.adapter.lora import add_adapter
from heygen_hf.tasks.finetuning.adapter.section import AdapterSection
from heygen_hf.tasks.finetuning.base.pipeline import find_base, load_family
from heygen_hf.tasks.finetuning.export import export_finetuned
from heygen_hf.tasks.run_folder import RunFolder

PROMPT = "a red ball"


@pytest.fixture(scope="session")
def export(
    tmp_path_factory: pytest.TempPathFactory, tiny_pipeline_folder: Callable[[str], Path]
) -> Callable[..., Path]:
    """Exports an adapter of a family with random weights (or the whole pipeline: `peft=None`), and gives its folder."""

    def make(
        family: str, *, dtype: str = "float32", base: Path | None = None, tiled: bool = False, **section: Any
    ) -> Path:
        from tiny_pipelines import TINY_CLIPS

        peft = AdapterSection(**{"r": 4, "lora_alpha": 8, **section}) if section.get("peft", True) else None
        folder = tmp_path_factory.mktemp("exports") / f"{family}_run"
        folder.mkdir()
        found = find_base({"pretrained": str(base or tiny_pipeline_folder(family))})
        loaded = load_family(found, {"dtype": dtype, "tiled_encoding": tiled}, adapts=peft is not None)
        if peft is not None:
            with torch.random.fork_rng(devices=[]):
                torch.manual_seed(1)
                add_adapter(loaded, peft)
        generator = torch.Generator().manual_seed(1)
        with torch.no_grad():
            for weight in loaded.pipeline.transformer.parameters():
                if weight.requires_grad or peft is None:
                    weight.add_(torch.randn(weight.shape, generator=generator) * 0.2)
        sampling = SamplingDefaults(**TINY_CLIPS[family], num_inference_steps=2, guidance_scale=1.0)
        given = {"image": torch.rand(1, 3, 32, 32, generator=generator)} if loaded.takes_first_frame else {}
        if loaded.takes_control:
            given = {"video": torch.rand(1, sampling.num_frames, 3, 32, 32, generator=generator)}
        export_finetuned(
            RunFolder(folder),
            PretrainedGeneratorPipeline(loaded, sampling),
            base=found,
            peft=peft,
            prompts=[PROMPT],
            seed=0,
            given=given,
        )
        recipe = {"task": "finetuning", "output_dir": str(folder), "data": {"train": "clips"}}
        recipe["model"] = {"pretrained": str(found.folder)}
        (folder / "recipe.yaml").write_text(yaml.safe_dump(recipe))
        return folder

    return make


@pytest.fixture(scope="session")
def adapter(export: Callable[..., Path]) -> Callable[..., Path]:
    """The folder of a family's exported adapter; copy it to change it."""
    made: dict[str, Path] = {}

    def folder_of(family: str, method: str = "lora") -> Path:
        key = f"{family} {method}"
        if key not in made:
            comfyui = method == "lora" and family in ("wan", "wan_image_to_video", "ltx", "hunyuan_video")
            made[key] = export(family, method=method, comfyui=comfyui)
        return made[key]

    return folder_of


@pytest.fixture
def hub(monkeypatch: pytest.MonkeyPatch) -> Iterator[LoopbackHub]:
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", False)
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_DISABLE_XET", True)
    monkeypatch.setenv("HF_HUB_DISABLE_XET", "1")  # for the process that loads
    with LoopbackHub() as running:
        yield running
