"""Modules of the package put into self-contained files."""

import ast
import importlib.util
import sys
from pathlib import Path

import pytest
import torch

from heygen_hf.hub.flat_code import make_bundle
from heygen_hf.hub.flat_code.edits import Edit, apply_edits
from heygen_hf.hub.flat_code.scopes import global_uses, undefined_names

NETWORK = ("heygen_hf.models.video_transformer", "VideoTransformerModel")  # a façade: followed to its file
PIPELINE = ("heygen_hf.pipelines.video_generation", "VideoGenerationPipeline")


@pytest.fixture(scope="module")
def bundles():
    network = make_bundle([NETWORK], stem="network", title="The network.")
    return network, make_bundle([PIPELINE], stem="pipeline", title="The pipeline.", given=network)


def imports(text: str) -> set[str]:
    found = set()
    for node in ast.walk(ast.parse(text)):
        if isinstance(node, ast.Import):
            found |= {alias.name.split(".")[0] for alias in node.names}
        if isinstance(node, ast.ImportFrom):
            found.add("." * node.level + (node.module or "").split(".")[0])
    return found


def test_nothing_of_the_package_is_imported_and_nothing_is_undefined(bundles) -> None:
    network, pipeline = bundles
    for bundle in bundles:
        assert "heygen_hf" not in imports(bundle.text)
        assert undefined_names(bundle.text) == set()
    assert not any(name.startswith(".") for name in imports(network.text))
    assert {name for name in imports(pipeline.text) if name.startswith(".")} == {f".{network.stem}"}


def test_every_definition_is_there_once(bundles) -> None:
    for bundle in bundles:
        names = [n.name for n in ast.parse(bundle.text).body if isinstance(n, ast.FunctionDef | ast.ClassDef)]
        assert len(names) == len(set(names))
    assert "class VideoTransformerModel(" in bundles[0].text
    assert "class VideoTransformerModel(" not in bundles[1].text  # it is imported from the other file


def test_names_that_two_modules_have_are_told_apart(bundles) -> None:
    renamed = {final for origin, final in bundles[1].names.items() if origin.name != final}
    assert {"_KINDS_in_schedulers", "_KINDS_in_given_inputs"} & renamed
    assert all(name in bundles[1].text for name in renamed)


def test_the_name_of_the_file_says_its_content(bundles) -> None:
    again = make_bundle([NETWORK], stem="network", title="Another title.")
    assert again.stem != bundles[0].stem
    assert bundles[0].stem == make_bundle([NETWORK], stem="network", title="The network.").stem


def test_optional_packages_are_imported_behind_a_try(bundles) -> None:
    tree = ast.parse(bundles[1].text)
    guarded = {node for block in ast.walk(tree) if isinstance(block, ast.Try) for node in ast.walk(block)}
    optional = [
        node for node in ast.walk(tree) if isinstance(node, ast.Import) and any(a.name == "av" for a in node.names)
    ]
    assert optional
    assert all(node in guarded for node in optional)


def test_it_computes_what_the_package_computes(bundles, tmp_path: Path) -> None:
    from heygen_hf.models import video_transformer as ours

    spec = importlib.util.spec_from_file_location(bundles[0].stem, bundles[0].write(tmp_path))
    assert spec is not None
    assert spec.loader is not None
    flat = importlib.util.module_from_spec(spec)
    sys.modules[bundles[0].stem] = flat
    try:
        spec.loader.exec_module(flat)
        outputs = [_output_of(module) for module in (ours, flat)]
        assert flat.VideoTransformerModel.__module__ == bundles[0].stem
    finally:
        del sys.modules[bundles[0].stem]
    assert torch.equal(*outputs)


def _output_of(module) -> torch.Tensor:
    torch.manual_seed(0)
    sizes = {"patch_size": (1, 4, 4), "sample_frames": 2, "sample_height": 8, "sample_width": 8}
    config = module.VideoTransformerConfig(
        vocab_size=9, hidden_size=32, num_hidden_layers=1, num_attention_heads=2, **sizes
    )
    model = module.VideoTransformerModel(config).eval()
    with torch.no_grad():
        for weight in model.parameters():
            weight.add_(torch.randn_like(weight) * 0.1)
        return model(torch.randn(1, 2, 3, 8, 8), torch.tensor([0.5]), input_ids=torch.tensor([[1, 2, 3]]))[0]


def test_scopes() -> None:
    text = """
import os
name = 1
def function(name, other=name):
    return name, os, [other for other in name]
class Thing:
    name = name
    def method(self):
        global late
        late = name
        return (lambda name: name)(os)
@function
def decorated() -> name: ...
"""
    uses = [(node.lineno, name) for node, name, _ in global_uses(ast.parse(text), text) if name in {"name", "os"}]
    assert uses == [(3, "name"), (4, "name"), (5, "os"), (10, "name"), (11, "os"), (13, "name")]
    assert undefined_names("def f():\n    return missing\n") == {"missing"}


def test_edits_count_characters_and_do_not_meet() -> None:
    assert apply_edits("äbc", [Edit(1, 2, "B"), Edit(2, 3, "C")]) == "äBC"
    with pytest.raises(ValueError, match="meet"):
        apply_edits("abc", [Edit(0, 2, ""), Edit(1, 3, "")])


@pytest.mark.parametrize(
    ("entry", "expected"),
    [(("heygen_hf.nothing", "X"), "has no source file"), (("heygen_hf.layers", "norms"), "takes a whole module")],
)
def test_what_cannot_be_flattened(entry: tuple[str, str], expected: str) -> None:
    with pytest.raises(ValueError, match=expected):
        make_bundle([entry], stem="x", title="x")
