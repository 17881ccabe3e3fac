"""Bases whose parts are saved in 16 bits, or held in other data types than the transformer, sample and export too."""

import json
from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from diffusers import DiffusionPipeline
from safetensors.torch import load_file
from sampled_frames import sampled
from tiny_pipelines import TINY_CLIPS

from heygen_hf.pipelines.pretrained_generator import PretrainedGeneratorPipeline, SamplingDefaults
from heygen_hf.tasks.finetuning.base.pipeline import find_base, load_family

FAMILIES = ("wan", "ltx", "cogvideox", "hunyuan_video", "mochi")


def _plain(base: Path, run: Path) -> DiffusionPipeline:
    """As anyone loads it, with the data types that the run names."""
    names = json.loads((run / "reference.json").read_text())["dtypes"]
    dtypes = {part: name and getattr(torch, name) for part, name in names.items()}
    pipeline = DiffusionPipeline.from_pretrained(str(base), dtype=dtypes)
    pipeline.load_lora_weights(str(run))
    return pipeline


@pytest.mark.parametrize("family", FAMILIES)
def test_a_base_saved_in_16_bits_is_exported_as_plain_diffusers_loads_it(
    family: str, export: Callable[..., Path], tiny_pipeline_folder: Callable[[str], Path], tmp_path: Path
) -> None:
    base = tmp_path / "base"
    DiffusionPipeline.from_pretrained(str(tiny_pipeline_folder(family)), dtype=torch.bfloat16).save_pretrained(base)
    run = export(family, dtype="bfloat16", base=base)
    assert torch.equal(sampled(_plain(base, run), run), load_file(run / "reference.safetensors")["frames"])


@pytest.mark.parametrize("family", FAMILIES)
def test_a_transformer_in_16_bits_samples_beside_encoders_in_32(
    family: str, tiny_pipeline_folder: Callable[[str], Path]
) -> None:
    loaded = load_family(
        find_base({"pretrained": str(tiny_pipeline_folder(family))}), {"dtype": "bfloat16"}, adapts=True
    )
    assert loaded.pipeline.text_encoder.dtype == torch.float32
    pipeline = PretrainedGeneratorPipeline(loaded, SamplingDefaults(**TINY_CLIPS[family], num_inference_steps=2))
    assert pipeline(["a red ball"]).frames.isfinite().all()
    assert not pipeline.transformer._forward_pre_hooks
