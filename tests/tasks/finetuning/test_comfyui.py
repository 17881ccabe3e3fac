"""Adapters under their models' original names: diffusers' own converters read them back to the same update."""

import re

import pytest
import torch
from diffusers import DiffusionPipeline
from diffusers.loaders.lora_conversion_utils import _convert_hunyuan_video_lora_to_diffusers
from safetensors.torch import load_file
from sampled_frames import sampled

from heygen_hf.tasks.finetuning.adapter.comfyui import COMFYUI_WEIGHTS, check_comfyui, comfyui_tensors

_HUNYUAN = {"num_attention_heads": 24, "attention_head_dim": 128, "mlp_ratio": 4.0}
_DOUBLE = "transformer_blocks.0.attn.to_q", "transformer_blocks.0.attn.to_v", "transformer_blocks.0.attn.to_out.0"
_DOUBLE_OTHERS = "attn.add_q_proj", "attn.add_k_proj", "attn.add_v_proj", "attn.to_add_out", "ff.net.0.proj"


@pytest.mark.parametrize("family", ["wan", "wan_image_to_video", "ltx"])
def test_diffusers_reads_the_file_as_the_same_adapter(family, adapter, tiny_pipeline_folder):
    run = adapter(family)
    names = set(load_file(run / COMFYUI_WEIGHTS))
    assert all(name.startswith("diffusion_model.") for name in names)
    pipeline = DiffusionPipeline.from_pretrained(str(tiny_pipeline_folder(family)))
    pipeline.load_lora_weights(str(run), weight_name=COMFYUI_WEIGHTS)
    assert torch.equal(sampled(pipeline, run), load_file(run / "reference.safetensors")["frames"])


def test_wan_has_its_original_names_and_alphas(adapter):
    tensors = load_file(adapter("wan") / COMFYUI_WEIGHTS)
    layers = {name.rpartition(".lora_A")[0] for name in tensors if ".lora_A." in name}
    block = {f"{kind}.{one}" for kind in ("self_attn", "cross_attn") for one in "qkvo"} | {"ffn.0", "ffn.2"}
    assert layers == {f"diffusion_model.blocks.{number}.{name}" for number in (0, 1) for name in block}
    assert {float(tensor) for name, tensor in tensors.items() if name.endswith(".alpha")} == {8.0}


def test_layers_of_wan_outside_its_blocks_are_renamed_too(export, tiny_pipeline_folder):
    outside = ["to_q", "time_proj", "text_embedder.linear_1", "time_embedder.linear_2", "proj_out"]
    run = export("wan", comfyui=True, target_modules=outside)
    pipeline = DiffusionPipeline.from_pretrained(str(tiny_pipeline_folder("wan")))
    pipeline.load_lora_weights(str(run), weight_name=COMFYUI_WEIGHTS)
    assert torch.equal(sampled(pipeline, run), load_file(run / "reference.safetensors")["frames"])


def test_fused_layers_of_hunyuan_video_are_the_same_update(export, tiny_pipeline_folder):
    targets = [
        *_DOUBLE,
        *(f"transformer_blocks.0.{name}" for name in _DOUBLE_OTHERS),
        "transformer_blocks.0.norm1.linear",
    ]
    run = export("hunyuan_video", comfyui=True, target_modules=targets)
    assert "diffusion_model.double_blocks.0.img_attn_qkv.lora_A.weight" in load_file(run / COMFYUI_WEIGHTS)
    pipeline = DiffusionPipeline.from_pretrained(str(tiny_pipeline_folder("hunyuan_video")))
    pipeline.load_lora_weights(str(run), weight_name=COMFYUI_WEIGHTS)
    # to_k was not adapted and has an update of zeros; sums are over a higher rank
    torch.testing.assert_close(
        sampled(pipeline, run), load_file(run / "reference.safetensors")["frames"], atol=1e-5, rtol=1e-5
    )


def test_single_blocks_of_hunyuan_video_are_the_same_update():
    layers = {
        f"single_transformer_blocks.3.{name}": (torch.randn(2, width), torch.randn(out, 2))
        for name, width, out in (
            *((f"attn.to_{one}", 3072, 3072) for one in "qv"),
            ("proj_mlp", 3072, 12288),
            ("proj_out", 15360, 3072),
            ("norm.linear", 3072, 9216),
        )
    }
    tensors = comfyui_tensors(layers, family="hunyuan_video", alpha=4.0, rank=2, config=_HUNYUAN)
    assert {name.rpartition(".lora_")[0] for name in tensors} == {
        f"diffusion_model.single_blocks.3.{name}" for name in ("linear1", "linear2", "modulation.linear")
    }
    converted = _convert_hunyuan_video_lora_to_diffusers(dict(tensors))
    for name, (down, up) in layers.items():
        back = [converted[f"transformer.{name}.lora_{part}.weight"] for part in "AB"]
        rows = slice(0, 64)  # of the update, which is large
        torch.testing.assert_close(back[1][rows] @ back[0], 2.0 * up[rows] @ down, atol=1e-5, rtol=1e-5)
    untouched = converted["transformer.single_transformer_blocks.3.attn.to_k.lora_B.weight"]
    assert not untouched.any()


def test_the_text_refiner_of_hunyuan_video_is_fused():
    place = "context_embedder.token_refiner.refiner_blocks.1."
    layers = {f"{place}attn.to_{one}": (torch.randn(2, 8), torch.randn(8, 2)) for one in "qkv"}
    config = {"num_attention_heads": 2, "attention_head_dim": 4, "mlp_ratio": 4.0}
    tensors = comfyui_tensors(layers, family="hunyuan_video", alpha=2.0, rank=2, config=config)
    name = "diffusion_model.txt_in.individual_token_refiner.blocks.1.self_attn_qkv"
    update = tensors[f"{name}.lora_B.weight"] @ tensors[f"{name}.lora_A.weight"]
    torch.testing.assert_close(update, torch.cat([up @ down for down, up in layers.values()]))


@pytest.mark.parametrize("family", ["cogvideox", "mochi"])
def test_a_family_without_such_names_is_refused(family):
    with pytest.raises(ValueError, match=f"{family} has no layout .* wan, wan_image_to_video, ltx, hunyuan_video"):
        check_comfyui(family, method="lora")


def test_dora_is_refused():
    with pytest.raises(ValueError, match=re.escape("peft.comfyui=true is for peft.method=lora")):
        check_comfyui("wan", method="dora")


def test_a_layer_without_a_name_is_refused():
    layers = {"proj_in": (torch.zeros(2, 4), torch.zeros(4, 2))}
    with pytest.raises(ValueError, match="the layer proj_in has no name in ComfyUI's layout"):
        comfyui_tensors(layers, family="ltx", alpha=2.0, rank=2, config={})


def test_a_merged_export_has_no_such_file():
    from heygen_hf.tasks.finetuning.adapter.section import AdapterSection

    with pytest.raises(ValueError, match="comfyui=true writes an adapter, and merge=true writes none"):
        AdapterSection(comfyui=True, merge=True)
