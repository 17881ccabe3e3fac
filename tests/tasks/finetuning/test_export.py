"""What a fine-tuning exports: adapters that diffusers loads where this package is not, and merged pipelines."""

import json
import subprocess
import sys

import pytest
import torch
from diffusers import DiffusionPipeline, WanTransformer3DModel
from safetensors import safe_open
from safetensors.torch import load_file
from sampled_frames import FAMILIES, sampled

from heygen_hf.hub.gate.weights import check_weights

METHODS = ("lora", "dora")
_FILE = "diffusion_pytorch_model.safetensors"
# Nothing of this package: as someone without it loads an adapter.
_PLAIN = """
import json, sys

class Absent:
    def find_spec(self, name, *_):
        if name.partition(".")[0] == "heygen_hf":
            raise ModuleNotFoundError(name)

sys.meta_path.insert(0, Absent())
import diffusers, numpy, torch
from PIL import Image
from safetensors.torch import load_file

torch.set_num_threads(2)
found = {}
for name, base, run in json.loads(sys.argv[1]):
    said = json.load(open(run + "/reference.json"))
    reference = load_file(run + "/reference.safetensors")
    pipe = getattr(diffusers, json.load(open(base + "/model_index.json"))["_class_name"]).from_pretrained(base)
    pipe.set_progress_bar_config(disable=True)
    given = {name: tensor[None] for name, tensor in reference.items() if name != "frames"}
    if "image" in reference:
        pixels = (reference["image"] * 255).round().to(torch.uint8).permute(1, 2, 0).numpy()
        given["image"] = Image.fromarray(pixels)
    def sample():
        generator = torch.Generator().manual_seed(said["seed"])
        return pipe(prompt=said["prompt"], generator=generator, **said["call"], **given).frames
    before = sample()
    pipe.load_lora_weights(run)
    adapted = sample()
    pipe.unload_lora_weights()
    found[name] = [
        torch.equal(adapted, reference["frames"]), torch.equal(sample(), before), torch.equal(adapted, before)
    ]
assert "heygen_hf" not in sys.modules
print(json.dumps(found))
"""


# One process for several of them: it takes seconds to start.
_QUICK = [("wan", "lora"), ("wan_image_to_video", "dora")]
_GIVEN_MORE = ("wan_vace", "cogvideox_control", "cogvideox_image_to_video")
_ALL = [(family, method) for family in (*FAMILIES, *_GIVEN_MORE) for method in METHODS]
_OTHERS = [kind for kind in _ALL if kind not in _QUICK]


@pytest.mark.parametrize("kinds", [_QUICK, pytest.param(_OTHERS, marks=pytest.mark.slow)], ids=["quick", "others"])
def test_adapters_load_where_this_package_cannot_be_imported(kinds, adapter, tiny_pipeline_folder):
    asked = [
        (f"{family} {method}", str(tiny_pipeline_folder(family)), str(adapter(family, method)))
        for family, method in kinds
    ]
    done = subprocess.run(
        [sys.executable, "-c", _PLAIN, json.dumps(asked)], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr[-2000:]
    found = json.loads(done.stdout.splitlines()[-1])
    # the reference's frames, the base's again once it is unloaded, and not the same two
    assert found == {name: [True, True, False] for name, _, _ in asked}


def test_the_header_says_what_the_adapter_is(adapter):
    run = adapter("wan")
    with safe_open(run / "pytorch_lora_weights.safetensors", framework="pt") as file:
        header = file.metadata()
    assert (header["rank"], header["alpha"], header["method"]) == ("4", "8", "lora")
    assert json.loads(header["target_modules"]) == ["ffn.net.0.proj", "ffn.net.2", "to_k", "to_out.0", "to_q", "to_v"]
    assert header["family"] == "wan"
    assert header["base_model"] == "wan"  # of a folder elsewhere its last part
    assert len(header["base_fingerprint"]) == 32
    assert json.loads(header["lora_adapter_metadata"])["transformer.r"] == 4


def test_a_revision_of_the_base_is_in_the_header(export, tiny_pipeline_folder):
    from dataclasses import replace

    from heygen_hf.tasks.finetuning.adapter.lora import described_base
    from heygen_hf.tasks.finetuning.base.pipeline import find_base

    base = replace(find_base({"pretrained": str(tiny_pipeline_folder("wan"))}), name="user/wan", revision="0" * 40)
    assert described_base(base) | {"base_fingerprint": ""} == {
        "base_model": "user/wan",
        "base_revision": "0" * 40,
        "base_fingerprint": "",
        "family": "wan",
    }


@pytest.mark.parametrize("method", METHODS)
def test_a_merged_export_is_the_base_with_the_adapter(method, export, adapter):
    run, merged = adapter("wan", method), export("wan", method=method, merge=True)
    frames = load_file(merged / "reference.safetensors")["frames"]
    torch.testing.assert_close(frames, load_file(run / "reference.safetensors")["frames"], atol=1e-4, rtol=1e-4)
    pipeline = DiffusionPipeline.from_pretrained(str(merged))
    assert torch.equal(sampled(pipeline, merged), frames)
    assert not any("lora" in name for name in pipeline.transformer.state_dict())


@pytest.mark.parametrize("merge", [False, True])
def test_the_reference_of_a_base_in_16_bits_is_of_float32(merge, export, tiny_pipeline_folder):
    run = export("ltx", dtype="bfloat16", merge=merge)
    assert json.loads((run / "reference.json").read_text())["dtypes"]["transformer"] == "float32"
    source = run if merge else tiny_pipeline_folder("ltx")
    pipeline = DiffusionPipeline.from_pretrained(str(source), dtype=torch.float32)
    if not merge:
        pipeline.load_lora_weights(str(run))
    assert torch.equal(sampled(pipeline, run), load_file(run / "reference.safetensors")["frames"])


def test_layers_that_wan_keeps_in_float32_pass_the_gate(export):
    run = export("wan", dtype="bfloat16", merge=True)
    checks = check_weights(run / "transformer", name="transformer", model_class=WanTransformer3DModel, dtype=None)
    assert {check.name: check.problem for check in checks} == dict.fromkeys(
        ["transformer: shards", "transformer: dtype", "transformer: missing and unexpected weights"]
    )
    tensors = load_file(run / "transformer" / _FILE)
    assert {tensor.dtype for tensor in tensors.values()} == {torch.bfloat16, torch.float32}
