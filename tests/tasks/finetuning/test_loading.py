"""Finished fine-tunings are sampled like any run; another base than the adapter's is refused in one line."""

import json
import shutil
from pathlib import Path

import pytest
import torch
import yaml
from safetensors.torch import load_file, save_file
from sampled_frames import sampled

from heygen_hf.models.pretrained_generators import FAMILIES
from heygen_hf.tasks.finetuning import is_finetuned, load_finetuned
from heygen_hf.tasks.finetuning.base.pipeline import find_base
from heygen_hf.tasks.finetuning.loading import find_adapter_base
from heygen_hf.tasks.generation import load_pipeline
from heygen_hf.tasks.generation.generate import generate
from heygen_hf.tasks.recipe_evaluator import evaluate_recipe_run
from heygen_hf.tasks.run_folder import RunFolder
from heygen_hf.tasks.video_metrics.checkpoints import load_weights


@pytest.fixture
def run(adapter, tmp_path: Path) -> Path:
    """A copy that a test may spoil."""
    return Path(shutil.copytree(adapter("wan"), tmp_path / "run"))


@pytest.fixture
def base(tiny_pipeline_folder, tmp_path: Path) -> Path:
    return Path(shutil.copytree(tiny_pipeline_folder("wan"), tmp_path / "wan"))


def change_base_file(run: Path, **values) -> None:
    path = run / "base_pipeline.json"
    path.write_text(json.dumps({**json.loads(path.read_text()), **values}))


@pytest.mark.parametrize("method", ["lora", "dora"])
def test_an_adapter_is_loaded_onto_its_base(method, adapter):
    run = adapter("wan", method)
    assert is_finetuned(run)
    pipeline = load_finetuned(run)
    assert pipeline.config.num_frames == 9
    assert torch.equal(sampled(pipeline.family.pipeline, run), load_file(run / "reference.safetensors")["frames"])


def test_a_whole_pipeline_is_loaded_by_itself(export):
    run = export("ltx", peft=False)
    assert json.loads((run / "base_pipeline.json").read_text())["weights"] is None
    pipeline = load_pipeline(run, device="cpu")
    assert pipeline.family.frame_rate == 16.0  # the run's
    assert torch.equal(sampled(pipeline.family.pipeline, run), load_file(run / "reference.safetensors")["frames"])


@pytest.mark.parametrize("family", ["wan", "wan_image_to_video"])
def test_videos_are_generated_from_an_adapter(family, adapter, tmp_path):
    from PIL import Image

    picture = None
    if family == "wan_image_to_video":
        Image.new("RGB", (40, 20), "red").save(tmp_path / "red.png")
        picture = [tmp_path / "red.png"]
    files = generate(adapter(family), ["a red ball"], num_videos=2, image=picture, output_dir=tmp_path / "out")
    assert [file.name for file in files] == ["00000.mp4", "00001.mp4"]
    rows = [json.loads(line) for line in (tmp_path / "out" / "metadata.jsonl").read_text().splitlines()]
    assert [row["seed"] for row in rows] == [0, 1]
    assert rows[0]["num_frames"] == 9
    assert rows[0]["num_inference_steps"] == 2


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"height": 36}, "height=36 does not fit this model: the nearest that work are"),
        ({"num_frames": 10}, "num_frames=10 does not fit this model: the nearest that work are"),
        ({"sampler": "heun"}, "sampler is of this package's own generators, and wan samples by its own pipeline"),
        ({"guidance_scale": {"caption": 2.0}}, "wan is guided by one number"),
        ({"context_frames": 1}, "wan makes no windows"),
    ],
    ids=["height", "frames", "sampler", "guidance", "windows"],
)
def test_what_a_published_family_cannot_do_is_said(options, said, adapter, tmp_path):
    with pytest.raises(ValueError, match=said) as raised:
        generate(adapter("wan"), ["a red ball"], output_dir=tmp_path / "out", **options)
    assert "\n" not in str(raised.value)
    assert not (tmp_path / "out").exists()


def test_a_picture_is_asked_for_where_videos_begin_with_one(adapter, tmp_path):
    with pytest.raises(ValueError, match="wan_image_to_video generates from a first frame: give image"):
        generate(adapter("wan_image_to_video"), ["a red ball"], output_dir=tmp_path / "out")


def test_the_base_given_is_taken(run, base):
    (run / "recipe.yaml").unlink()
    with pytest.raises(ValueError, match=r"the base of .*no pipeline loads from model.pretrained=wan"):
        load_finetuned(run)
    assert find_adapter_base(run, base=str(base)).folder == base


def test_a_base_that_is_gone_is_named(run):
    (run / "recipe.yaml").write_text(yaml.safe_dump({"model": {"pretrained": str(run / "gone")}}))
    with pytest.raises(ValueError, match=r"the base of .* no pipeline loads from model.pretrained=wan") as raised:
        load_finetuned(run)
    assert "\n" not in str(raised.value)


def test_a_base_with_other_weights_is_refused(run, base):
    path = base / "transformer" / "diffusion_pytorch_model.safetensors"
    tensors = load_file(path)
    tensors["blocks.0.attn1.to_q.bias"] += 1e-3
    save_file(tensors, str(path), metadata={"format": "pt"})
    with pytest.raises(ValueError, match=r"was trained on wan, and the transformer in .* has other weights") as raised:
        load_finetuned(run, base=str(base))
    assert "\n" not in str(raised.value)


def test_another_revision_of_the_base_is_refused(run, base, monkeypatch):
    change_base_file(run, base_model="user/wan", base_revision="a" * 40)
    (run / "recipe.yaml").unlink()
    snapshot = shutil.copytree(base, base.parent / ("b" * 40))
    monkeypatch.setattr("heygen_hf.tasks.finetuning.base.pipeline._fetch", lambda name, revision: snapshot)
    said = f"trained on revision {'a' * 40} of user/wan, and user/wan is at revision {'b' * 40}"
    with pytest.raises(ValueError, match=said):
        load_finetuned(run)


def test_a_base_of_another_family_is_refused(run, tiny_pipeline_folder):
    with pytest.raises(ValueError, match=r"is an adapter of wan, of the family wan, and .*ltx is of the family ltx"):
        load_finetuned(run, base=str(tiny_pipeline_folder("ltx")))


def test_an_unknown_family_is_refused_and_those_there_are_listed(run):
    change_base_file(run, family="sora")
    known = ", ".join(family.name for family in FAMILIES)
    with pytest.raises(ValueError, match=f"the family sora, which is unknown here; there are {known}"):
        load_finetuned(run)


def test_a_broken_record_is_named(run):
    (run / "base_pipeline.json").write_text("{")
    with pytest.raises(ValueError, match=r"base_pipeline.json cannot be read"):
        load_finetuned(run)


def test_a_folder_that_is_no_pipeline_is_refused(base):
    (base / "model_index.json").unlink()
    with pytest.raises(ValueError, match=r"is no pipeline of diffusers \(it has no model_index.json\)"):
        find_base({"pretrained": str(base)})


def test_a_pipeline_of_an_unknown_family_is_refused_and_those_there_are_listed(base):
    path = base / "model_index.json"
    path.write_text(json.dumps({**json.loads(path.read_text()), "_class_name": "StableDiffusionPipeline"}))
    known = ", ".join(name for family in FAMILIES for name in family.pipeline_classes)
    with pytest.raises(ValueError, match=f"a StableDiffusionPipeline is of no family .* there are {known}"):
        find_base({"pretrained": str(base)})


@pytest.mark.parametrize("target", ["to_z", "blocks.7.attn1.to_q"])
def test_a_target_that_matches_nothing_is_refused(target, export):
    with pytest.raises(ValueError, match=f"peft.target_modules: {target} matches no layer of WanTransformer3DModel"):
        export("wan", target_modules=["to_q", target])


def test_a_dora_that_diffusers_would_not_load_is_refused(export):
    with pytest.raises(ValueError, match="adapts to_k without add_k_proj and add_v_proj: name them too"):
        export("wan_image_to_video", method="dora", target_modules=["to_q", "to_k"])


def test_a_run_without_an_export_is_none(run):
    (run / "base_pipeline.json").unlink()
    with pytest.raises(ValueError, match=r"holds no exported model .* --resume auto"):
        RunFolder(run).require_export()


def test_evaluate_without_metrics_says_what_to_do(run):
    with pytest.raises(ValueError, match=r"--metrics"):
        evaluate_recipe_run(run)


def test_a_checkpoint_of_an_adapter_is_put_into_the_loaded_pipeline(adapter, tmp_path):
    pipeline = load_finetuned(adapter("wan"))
    weights = {key: tensor for key, tensor in pipeline.transformer.state_dict().items() if ".lora_" in key}
    saved = {f"transformer.{key}": torch.full_like(tensor, 0.5) for key, tensor in weights.items()}
    save_file(saved, str(tmp_path / "model.safetensors"))
    assert load_weights(pipeline.transformer, tmp_path) == "raw"
    after = pipeline.transformer.state_dict()
    assert all(torch.equal(after[key], torch.full_like(tensor, 0.5)) for key, tensor in weights.items())

    del saved["transformer.blocks.0.attn1.to_q.lora_A.default.weight"]
    save_file(saved, str(tmp_path / "model.safetensors"))
    with pytest.raises(ValueError, match="does not fit the run's exported model"):
        load_weights(pipeline.transformer, tmp_path)
