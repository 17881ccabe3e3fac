"""Each fault is planted in a run that would pass, and the gate must name it before anything is sent."""

import json
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file, save_file

from heygen_hf.data import build_tokenizer
from heygen_hf.hub.gate import GateError, check_folder
from heygen_hf.hub.repo_folder import write_repo_folder
from heygen_hf.models.video_transformer import VideoTransformerModel
from heygen_hf.tasks.publishing import publish_run

NAME = "someone/tiny-digits"


def refused(run: Path, **options) -> dict[str, str]:
    """What the gate has against a run: check -> problem; the error is one line that names the first."""
    with pytest.raises(GateError) as caught:
        publish_run(run, repo_id=NAME, local_only=True, say=lambda line: None, **options)
    message = str(caught.value)
    assert "\n" not in message
    problems = {check.name: check.problem for check in caught.value.checks if check.problem}
    assert all(name in message for name in list(problems)[:3])
    return problems


def test_a_run_without_faults_passes_all_that_needs_no_other_process(run: Path, tmp_path: Path) -> None:
    exported = write_repo_folder(run, tmp_path / "repository", repo_id=NAME)
    assert [check for check in check_folder(exported, source=run) if check.problem] == []


def test_a_missing_shard(unrecorded_run: Path) -> None:
    folder = unrecorded_run / "transformer"
    model = VideoTransformerModel.from_pretrained(folder)
    (folder / "model.safetensors").unlink()
    model.save_pretrained(folder, max_shard_size="40KB")
    shards = sorted(folder.glob("model-*.safetensors"))
    assert len(shards) > 1
    publishable = write_repo_folder(unrecorded_run, unrecorded_run.parent / "whole", repo_id=NAME)
    assert [check for check in check_folder(publishable) if check.problem] == []
    shards[1].unlink()
    assert refused(unrecorded_run)["transformer: shards"].endswith(f"names {shards[1].name}, which is not there")


def test_shards_without_an_index(unrecorded_run: Path) -> None:
    folder = unrecorded_run / "transformer"
    VideoTransformerModel.from_pretrained(folder).save_pretrained(folder, max_shard_size="40KB")
    next(folder.glob("*.index.json")).unlink()
    assert "no index" in refused(unrecorded_run)["transformer: shards"]


def test_a_truncated_file(unrecorded_run: Path) -> None:
    path = unrecorded_run / "transformer" / "model.safetensors"
    path.write_bytes(path.read_bytes()[:-100])
    assert "cannot be read" in refused(unrecorded_run)["transformer: shards"]


def test_a_wrong_dtype(unrecorded_run: Path, change_weights) -> None:
    change_weights(unrecorded_run, lambda held: {name: tensor.bfloat16() for name, tensor in held.items()})
    assert "is bfloat16" in refused(unrecorded_run)["transformer: dtype"]


def test_one_tensor_of_another_dtype(unrecorded_run: Path, change_weights) -> None:
    first = sorted(load_file(unrecorded_run / "transformer" / "model.safetensors"))[0]
    change_weights(unrecorded_run, lambda held: {**held, first: held[first].half()})
    assert refused(unrecorded_run)["transformer: dtype"].startswith(f"{first} is float16 (1 in all)")


def test_a_renamed_key(unrecorded_run: Path, change_weights) -> None:
    first = sorted(load_file(unrecorded_run / "transformer" / "model.safetensors"))[0]
    change_weights(unrecorded_run, lambda held: {name + "_" * (name == first): t for name, t in held.items()})
    problem = refused(unrecorded_run)["transformer: missing and unexpected weights"]
    assert f"missing {first}" in problem
    assert f"unexpected {first}_" in problem


def test_a_processor_of_another_size(unrecorded_run: Path) -> None:
    path = unrecorded_run / "processor" / "preprocessor_config.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | {"height": 16}))
    assert "height is 16, the network was trained for 8" in refused(unrecorded_run)["processor: size"]


def test_ema_not_applied(unrecorded_run: Path, change_weights) -> None:
    raw = load_file(unrecorded_run / "checkpoints" / "checkpoint-4" / "model.safetensors")
    change_weights(unrecorded_run, lambda held: {name: raw[f"transformer.{name}"] for name in held})
    assert "raw weights of checkpoint-4, not their average" in refused(unrecorded_run)["averaged weights"]


def test_a_stale_tokenizer(unrecorded_run: Path) -> None:
    build_tokenizer(["quite another set of captions", "zebra"]).save_pretrained(unrecorded_run / "tokenizer")
    assert "the network was trained with" in refused(unrecorded_run)["tokenizer"]


def test_a_stale_tokenizer_of_the_same_size(run: Path) -> None:
    """Its size says nothing; the export's own record does."""
    path = run / "tokenizer" / "tokenizer.json"
    text = path.read_text()
    path.write_text(text.replace('"red"', '"blu"').replace('"blue"', '"red"').replace('"blu"', '"blue"'))
    assert path.read_text() != text
    assert refused(run) == {"as exported": "tokenizer/tokenizer.json was changed since the export"}


def test_a_weight_changed_since_the_export(run: Path, change_weights) -> None:
    change_weights(run, lambda held: {name: tensor * 1.0001 for name, tensor in held.items()})
    assert refused(run)["as exported"] == "transformer/model.safetensors was changed since the export"


@pytest.mark.parametrize("line", ["license: unknown", "license: ''", "tags: []", "license: 'a b'"])
def test_a_card_without_a_licence(run: Path, line: str) -> None:
    card = run / "README.md"
    card.write_text(card.read_text().replace("license: apache-2.0", line, 1))
    assert "card: licence" in refused(run)


def test_a_card_whose_metadata_is_none(run: Path) -> None:
    card = run / "README.md"
    card.write_text(card.read_text().replace("library_name: diffusers", "library_name: [diffusers", 1))
    assert "card: metadata" in refused(run)


def test_a_card_that_names_a_place_of_this_machine(run: Path) -> None:
    card = run / "README.md"
    card.write_text(card.read_text() + f"\ntrained in {Path.home()}/secret/runs\n")
    assert "nothing of this machine" in refused(run)


def test_a_picture_that_is_not_there(run: Path) -> None:
    (run / "samples" / "samples.png").unlink()
    assert "samples/samples.png, which is not in the folder" in refused(run)["card: pictures"]


def test_no_card(run: Path) -> None:
    (run / "README.md").unlink()
    assert "has not finished" in refused(run)["card"]


@pytest.mark.parametrize(
    "line",
    [
        "import heygen_hf\n",
        "from heygen_hf.layers.norms import rms_norm\n",
        "def late():\n    from heygen_hf.pipelines import VideoGenerationPipeline\n",
        "import importlib\nimportlib.import_module('heygen_hf.models')\n",
    ],
)
def test_code_that_imports_the_package(run: Path, tmp_path: Path, line: str) -> None:
    exported = write_repo_folder(run, tmp_path / "repository", repo_id=NAME)
    with (exported.path / "pipeline.py").open("a") as file:
        file.write(line)
    (problem,) = [check.problem for check in check_folder(exported) if check.problem]
    assert "pipeline.py imports heygen_hf in line" in problem


def test_code_that_imports_what_is_not_beside_it(run: Path, tmp_path: Path) -> None:
    exported = write_repo_folder(run, tmp_path / "repository", repo_id=NAME)
    next(exported.path.glob("video_transformer_*.py")).unlink()
    assert any("which is not beside it" in str(check.problem) for check in check_folder(exported))


def test_an_oversized_file(run: Path) -> None:
    problem = refused(run, max_file_bytes=20_000)["file sizes"]
    assert "bytes, the most is 20,000" in problem


def test_a_pickle_in_the_export(unrecorded_run: Path) -> None:
    torch.save({}, unrecorded_run / "transformer" / "pytorch_model.bin")
    assert "pytorch_model.bin" in refused(unrecorded_run)["no file that runs code when it is read"]


def test_a_pipeline_without_a_reference(run: Path) -> None:
    (run / "reference.safetensors").unlink()
    with pytest.raises(ValueError, match=r"no reference\.safetensors.*--resume auto"):
        publish_run(run, repo_id=NAME, local_only=True, say=lambda line: None)


def test_no_run(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="there is no folder"):
        publish_run(tmp_path / "none", repo_id=NAME, local_only=True)
    with pytest.raises(ValueError, match="holds no exported model"):
        publish_run(tmp_path, repo_id=NAME, local_only=True)


def test_a_folder_that_holds_something_else_is_not_replaced(run: Path, tmp_path: Path) -> None:
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "notes.txt").write_text("mine")
    with pytest.raises(ValueError, match="holds other files"):
        publish_run(run, repo_id=NAME, local_only=True, folder=tmp_path / "mine")
    assert (tmp_path / "mine" / "notes.txt").read_text() == "mine"


def test_the_weights_in_the_fixture_are_an_average(run: Path) -> None:
    """The fault above is planted, not there from the start."""
    average = load_file(run / "checkpoints" / "checkpoint-4" / "ema.safetensors")
    exported = load_file(run / "transformer" / "model.safetensors")
    assert all(torch.equal(average[f"transformer.{name}"], tensor) for name, tensor in exported.items())
    save_file(exported, str(run / "again.safetensors"))
