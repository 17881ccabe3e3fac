"""An adapter to go on from, or to learn beside, fits the base and the recipe, or is refused in one line."""

import shutil
from collections.abc import Callable
from pathlib import Path

import pytest
from safetensors.torch import load_file, save_file

from heygen_hf.tasks.finetuning import check_recipe
from heygen_hf.tasks.finetuning.adapter.lora import WEIGHTS, add_adapter
from heygen_hf.tasks.finetuning.adapter.section import AdapterSection
from heygen_hf.tasks.finetuning.base.pipeline import find_base, load_family
from heygen_hf.tasks.recipe import load_recipe

FITTING = {"r": 4, "lora_alpha": 8}


@pytest.fixture
def add(tiny_pipeline_folder: Callable[[str], Path]) -> Callable[..., None]:
    """Adds an adapter to the tiny pipeline, or to the one in a folder."""

    def run(*, folder: Path | None = None, **section: object) -> None:
        base = find_base({"pretrained": str(folder or tiny_pipeline_folder("wan"))})
        family = load_family(base, {"dtype": "float32"}, adapts=True)
        add_adapter(family, AdapterSection(**{**FITTING, **section}), base=base)

    return run


@pytest.fixture
def other_base(tiny_pipeline_folder: Callable[[str], Path], tmp_path: Path) -> Path:
    """Of the same sizes, with other weights."""
    base = Path(shutil.copytree(tiny_pipeline_folder("wan"), tmp_path / "other"))
    (weights,) = (base / "transformer").glob("*.safetensors")
    save_file({name: value + 0.1 for name, value in load_file(weights).items()}, weights, metadata={"format": "pt"})
    return base


@pytest.mark.parametrize("key", ["pretrained", "previous"])
def test_an_adapter_of_another_base_is_refused(key, adapter, add, other_base):
    run = str(adapter("wan"))
    named = {key: run if key == "pretrained" else [run]}
    add(**named)
    with pytest.raises(ValueError, match=rf"^peft\.{key}: .* was trained on .*, and the transformer of") as raised:
        add(folder=other_base, **named)
    assert "\n" not in str(raised.value)


@pytest.mark.parametrize("key", ["pretrained", "previous"])
def test_an_adapter_that_says_nothing_of_its_base_passes(key, adapter, add, other_base, tmp_path):
    folder = tmp_path / "plain"
    folder.mkdir()
    save_file(load_file(adapter("wan") / WEIGHTS), folder / WEIGHTS)
    # Without a header diffusers takes its rank for alpha.
    add(folder=other_base, lora_alpha=4, **{key: str(folder) if key == "pretrained" else [str(folder)]})


@pytest.mark.parametrize(
    ("section", "said"),
    [
        ({"r": 8}, r"peft\.r=8, and the adapter .* has 4: set it to that"),
        ({"lora_alpha": 4}, r"peft\.lora_alpha=4, and the adapter .* has 8: set it to that"),
        ({"lora_dropout": 0.5}, r"peft\.lora_dropout=0\.5, and the adapter .* has 0\.0: set it to that"),
        ({"method": "dora"}, r"peft\.method=dora, and the adapter .* has lora: set it to that"),
        ({"target_modules": ["to_q"]}, r"peft\.target_modules=\['to_q'\] are other layers .*: leave the key out"),
    ],
    ids=lambda value: next(iter(value)) if isinstance(value, dict) else "",
)
def test_what_an_adapter_to_go_on_from_has_otherwise_is_refused(section, said, adapter, add):
    with pytest.raises(ValueError, match=said) as raised:
        add(pretrained=str(adapter("wan")), **section)
    assert "\n" not in str(raised.value)


def test_its_own_layers_may_be_named(adapter, add, tiny_pipeline_folder):
    base = find_base({"pretrained": str(tiny_pipeline_folder("wan"))})
    add(pretrained=str(adapter("wan")), target_modules=list(base.family.lora_targets))


def test_an_adapter_of_another_base_is_refused_before_anything_is_loaded(adapter, other_base, tmp_path):
    recipe = tmp_path / "recipe.yaml"
    recipe.write_text(
        f"task: finetuning\nmodel: {{pretrained: {other_base}}}\ndata: {{train: clips}}\n"
        f"peft: {{r: 4, lora_alpha: 8, pretrained: {adapter('wan')}}}\n"
        "processor: {num_frames: 9, height: 32, width: 32}\n"
    )
    with pytest.raises(ValueError, match=r"^peft\.pretrained: .* was trained on"):
        check_recipe(load_recipe(recipe, []))
