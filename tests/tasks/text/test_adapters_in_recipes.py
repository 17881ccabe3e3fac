"""The `peft` section of a recipe end to end: a trained language model is adapted to other text."""

import json
import shutil
from pathlib import Path

import pytest
import torch
from peft import AutoPeftModelForCausalLM, PeftModel
from safetensors.torch import load_file
from transformers import AutoModelForCausalLM, AutoModelForSequenceClassification

from heygen_hf.tasks import run_recipe
from heygen_hf.tasks.adapters import load_adapters, usage_of_adapters
from heygen_hf.tasks.recipe import load_recipe
from heygen_hf.tasks.text.classification import evaluate as evaluate_classifier
from heygen_hf.tasks.text.language_modeling import build, evaluate

RECIPES = Path(__file__).parents[3] / "recipes" / "text"
TINY = [
    "data.documents_of_txt=line",
    "data.repeated=keep",
    "data.max_length=16",
    "training.max_steps=4",
    "training.warmup_steps=1",
    "training.per_device_train_batch_size=8",
    "training.eval_steps=4",
    "training.save_steps=2",
    "training.logging_steps=1",
    "training.disable_tqdm=true",
    "evaluation.baselines=false",
    "evaluation.num_prompts=0",
]


@pytest.fixture(scope="module")
def work(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with two texts, and `base`, a language model trained on the first."""
    folder = tmp_path_factory.mktemp("work")
    animals = ("cat", "dog", "horse", "fish", "bird", "cow")
    for name, verb in (("first", "sees"), ("second", "eats")):
        lines = [f"the {one} {verb} the {other} and number {i}" for i, one in enumerate(animals) for other in animals]
        (folder / f"{name}.txt").write_text("\n".join(lines))
    sizes = ["model.hidden_size=64", "model.num_hidden_layers=1", "model.num_attention_heads=2"]
    values = [*TINY, *sizes, f"data.train={folder / 'first.txt'}", f"output_dir={folder / 'base'}"]
    run_recipe(RECIPES / "language_modeling.yaml", values)
    return folder


def adapt(work: Path, name: str, *more: str, resume: str | None = None):
    values = [*TINY, f"data.train={work / 'second.txt'}", f"model.pretrained={work / 'base'}"]
    return run_recipe(
        RECIPES / "language_modeling_lora.yaml", [*values, f"output_dir={work / name}", *more], resume=resume
    )


def weights(run: Path) -> dict[str, torch.Tensor]:
    return load_file(run / "adapter_model.safetensors")


def bits_per_byte(run: Path) -> float:
    return json.loads((run / "metrics.json").read_text())["figures"][0]["value"]


def written_by_the_card(run: Path, capsys) -> str:
    """What the lines of the card print."""
    usage = usage_of_adapters(build(load_recipe(run / "recipe.yaml"), exported=run, is_main=True).usage)
    capsys.readouterr()
    exec(usage.replace("FOLDER", repr(str(run))), {})
    return capsys.readouterr().out


@pytest.fixture(scope="module")
def lora(work: Path) -> Path:
    return adapt(work, "lora", "peft.r=4").folder


def test_the_run_is_an_adapter_that_loads_and_is_measured_again(work, lora, capsys, monkeypatch) -> None:
    names = {path.name for path in lora.iterdir()}
    assert {"adapter_config.json", "adapter_model.safetensors", "tokenizer.json", "README.md", "metrics.json"} <= names
    assert not {"config.json", "model.safetensors"} & names
    assert all("lora_" in name for name in weights(lora))
    assert str(work) not in (lora / "adapter_config.json").read_text() + (lora / "README.md").read_text()
    bits = bits_per_byte(lora)
    evaluate(lora)
    assert bits_per_byte(lora) == pytest.approx(bits, rel=1e-6)

    # what peft's own users and the card type, in the directory that the base is in
    monkeypatch.chdir(work)
    assert isinstance(AutoPeftModelForCausalLM.from_pretrained("lora"), PeftModel)
    assert written_by_the_card(lora, capsys).startswith("Return the number of")


def test_a_resumed_adapter_ends_as_if_never_stopped(work, lora) -> None:
    resumed = work / "resumed"
    shutil.copytree(lora, resumed)
    shutil.rmtree(resumed / "checkpoints" / "checkpoint-4")
    for name in ("metrics.json", "adapter_model.safetensors", "adapter_config.json", "run.json"):
        (resumed / name).unlink()
    adapt(work, "resumed", "peft.r=4", resume="auto")
    assert json.loads((resumed / "run.json").read_text())["resumed_at_step"] == 2
    straight, again = weights(lora), weights(resumed)
    assert straight.keys() == again.keys()
    for name, weight in straight.items():
        torch.testing.assert_close(again[name], weight)


def test_a_merged_run_is_a_plain_model(work) -> None:
    run = adapt(work, "merged", "peft.merge=true").folder
    assert not (run / "adapter_config.json").exists()
    merged = AutoModelForCausalLM.from_pretrained(run)
    base = AutoModelForCausalLM.from_pretrained(work / "base")
    assert merged.state_dict().keys() == base.state_dict().keys()
    assert not torch.equal(
        merged.transformer.layers[0].attention.q_proj.weight, base.transformer.layers[0].attention.q_proj.weight
    )


@pytest.mark.parametrize("method", ["qlora", "prefix_tuning"])
def test_the_other_methods_run_from_a_recipe(method, work, capsys) -> None:
    run = adapt(work, method, f"peft.method={method}", "training.max_steps=2").folder
    bits = bits_per_byte(run)
    evaluate(run)
    # a base in 4 bits computes in bfloat16, and attention is computed by another function here
    assert bits_per_byte(run) == pytest.approx(bits, rel=1e-3 if method == "qlora" else 1e-6)
    if method == "prefix_tuning":  # which transformers' own classes do not load
        assert written_by_the_card(run, capsys).startswith("Return the number of")


def test_a_base_is_needed(work) -> None:
    with pytest.raises(ValueError, match=r"random weights: set model\.pretrained"):
        adapt(work, "nothing", "model.pretrained=null")


@pytest.mark.parametrize("method", ["lora", "prefix_tuning"])
def test_a_classifier_on_the_language_model(method, work) -> None:
    values = [f"model.pretrained={work / 'base'}", f"peft.method={method}", "data.repeated=keep"]
    for split, numbers in (("train", range(10)), ("validation", range(10, 12)), ("test", range(12, 16))):
        rows = [
            {"text": f"the {animal} sees number {number}", "label": size}
            for number in numbers
            for animal, size in (("cat", "small"), ("horse", "large"), ("bird", "small"), ("cow", "large"))
        ]
        (work / f"{split}.jsonl").write_text("\n".join(map(json.dumps, rows)))
        values.append(f"data.{split}={work / split}.jsonl")
    values += ["training.max_steps=30", "training.per_device_train_batch_size=8", "training.disable_tqdm=true"]
    values += ["training.optimizer=adamw", "training.learning_rate=3e-2", "training.warmup_steps=1"]
    if method == "prefix_tuning":  # Trainer's own label smoothing fails on a prefix
        values.append("training.label_smoothing_factor=0.0")
    values += ["data.crop_share=0.0", "data.token_dropout=0.0", "evaluation.baseline=false"]
    dropped = (RECIPES / "classification.yaml").read_text().partition("model:")
    (work / "recipe.yaml").write_text(dropped[0] + dropped[2][dropped[2].index("\ndata:") :])
    run = run_recipe(work / "recipe.yaml", [*values, f"output_dir={work / f'classifier_{method}'}"]).folder
    figure = json.loads((run / "metrics.json").read_text())["figures"][0]
    assert figure["value"] > 0.7
    assert any("score" in name for name in weights(run))  # its head is new and learns with the adapter
    evaluate_classifier(run)
    assert json.loads((run / "metrics.json").read_text())["figures"][0]["value"] == figure["value"]
    model = load_adapters(AutoModelForSequenceClassification, run)
    assert set(model.config.id2label.values()) == {"small", "large"}
