"""Files of a base, or of a run, that are broken or missing are named in one line."""

import json
import re
import shutil
from pathlib import Path

import pytest

from heygen_hf.tasks.finetuning import check_recipe
from heygen_hf.tasks.finetuning.base.pipeline import find_base, load_family
from heygen_hf.tasks.finetuning.loading import read_base_file
from heygen_hf.tasks.recipe import load_recipe


@pytest.fixture
def base(tiny_pipeline_folder, tmp_path) -> Path:
    return Path(shutil.copytree(tiny_pipeline_folder("wan"), tmp_path / "base"))


def check(base: Path, tmp_path: Path) -> None:
    recipe = tmp_path / "recipe.yaml"
    recipe.write_text(
        f"task: finetuning\nmodel: {{pretrained: {base}}}\ndata: {{train: clips}}\n"
        "processor: {num_frames: 9, height: 32, width: 32}\n"
    )
    check_recipe(load_recipe(recipe, []))


@pytest.mark.parametrize("text", ["{", "[]", ""])
@pytest.mark.parametrize("name", ["model_index.json", "transformer/config.json"])
def test_a_configuration_that_is_none_is_named(name, text, base, tmp_path):
    (base / name).write_text(text)
    with pytest.raises(ValueError, match=re.escape(f"{base / name} is no configuration")) as raised:
        check(base, tmp_path)
    assert "\n" not in str(raised.value)


@pytest.mark.parametrize(("part", "what"), [("transformer", "transformer"), ("vae", "autoencoder")])
def test_a_part_that_is_missing_is_named_and_no_key_of_other_recipes(part, what, base, tmp_path):
    shutil.rmtree(base / part)
    with pytest.raises(ValueError, match=rf"^model\.pretrained=.* has no {what} \(no {part}/config\.json\)") as raised:
        check(base, tmp_path)
    assert "model.autoencoder" not in str(raised.value)


@pytest.mark.parametrize("part", ["text_encoder", "transformer", "vae"])
def test_weights_that_were_cut_short_are_one_line(part, base):
    (weights,) = (base / part).glob("*.safetensors")
    weights.write_bytes(weights.read_bytes()[:-100])
    with pytest.raises(ValueError, match=r"^model\.pretrained=.* does not load \(") as raised:
        load_family(find_base({"pretrained": str(base)}), {"dtype": "float32"}, adapts=True)
    assert "\n" not in str(raised.value)


@pytest.mark.parametrize("key", ["dtypes", "sampling", "processor", "weights", "base_model", "base_fingerprint"])
def test_a_record_without_a_key_is_named(key, adapter, tmp_path):
    said = json.loads((adapter("wan") / "base_pipeline.json").read_text())
    path = tmp_path / "base_pipeline.json"
    path.write_text(json.dumps(said))
    assert read_base_file(tmp_path) == said
    path.write_text(json.dumps({name: value for name, value in said.items() if name != key}))
    with pytest.raises(ValueError, match=re.escape(f"{path} cannot be read; export the run again")):
        read_base_file(tmp_path)
