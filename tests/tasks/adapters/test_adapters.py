"""Each method trains its own weights and no others, lowers the loss, and comes back from disk as it was."""

import copy
import json

import pytest
import torch
from peft import (
    AutoPeftModelForCausalLM,
    AutoPeftModelForSequenceClassification,
    AutoPeftModelForTokenClassification,
    PeftModel,
)
from transformers import AutoModelForCausalLM

import heygen_hf.models
from heygen_hf.models.conv_video_encoder import ConvVideoEncoderConfig, ConvVideoEncoderForVideoClassification
from heygen_hf.models.text_transformer import (
    TextTransformerForCausalLM,
    TextTransformerForSequenceClassification,
    TextTransformerForTokenClassification,
)
from heygen_hf.tasks.adapters import PeftSection, apply_adapters, base_loading_options, export_adapters, load_adapters

assert heygen_hf.models  # imported for its registrations, as a user of AutoPeftModel does

SECTIONS = {
    "lora": PeftSection(method="lora", r=4),
    "qlora": PeftSection(method="qlora", r=4),
    "prefix_tuning": PeftSection(method="prefix_tuning", num_virtual_tokens=4),
}
AUTO = {
    TextTransformerForCausalLM: AutoPeftModelForCausalLM,
    TextTransformerForSequenceClassification: AutoPeftModelForSequenceClassification,
    TextTransformerForTokenClassification: AutoPeftModelForTokenClassification,
}


def load_base(model_class, folder, section=None):
    classes = {} if model_class is TextTransformerForCausalLM else {"num_labels": 3}
    torch.manual_seed(1)
    return model_class.from_pretrained(folder, **classes, **base_loading_options(section))


def train(model: PeftModel, batch: dict, steps: int = 20) -> list[float]:
    optimizer = torch.optim.AdamW([weight for weight in model.parameters() if weight.requires_grad], lr=3e-2)
    losses = []
    for _ in range(steps):
        loss = model.train()(**batch).loss
        loss.backward()
        optimizer.step()
        optimizer.zero_grad()
        losses.append(loss.item())
    model.eval()
    return losses


@torch.no_grad()
def logits(model, batch):
    return model(input_ids=batch["input_ids"], attention_mask=batch["attention_mask"]).logits


@pytest.mark.parametrize("model_class", AUTO, ids=lambda model_class: model_class.__name__.removeprefix("Text"))
@pytest.mark.parametrize("method", SECTIONS)
def test_adapters_alone_learn_and_come_back(method, model_class, base_folder, batch_for, tmp_path) -> None:
    section, batch = SECTIONS[method], batch_for(model_class)
    model = apply_adapters(load_base(model_class, base_folder, section), section)
    before = {name: weight.detach().clone() for name, weight in model.named_parameters()}
    losses = train(model, batch)
    assert losses[-1] < 0.8 * losses[0]

    changed = {name for name, weight in model.named_parameters() if not torch.equal(weight, before[name])}
    adapter, head = {"lora_", "prompt_encoder"}, {"score.modules_to_save", "base_model.score"}
    assert any(part in name for name in changed for part in adapter)
    own = head if model_class is not TextTransformerForCausalLM else set()
    assert all(any(part in name for part in adapter | own) for name in changed)
    assert bool(own) == any("score" in name for name in changed)  # a fresh head learns with the adapter

    export_adapters(model, tmp_path / "run", section)
    held = {path.name for path in (tmp_path / "run").iterdir()}
    assert {"adapter_config.json", "adapter_model.safetensors"} <= held
    assert "config.json" not in held
    expected = logits(model, batch)
    again = load_adapters(model_class, tmp_path / "run", base=str(base_folder))
    torch.testing.assert_close(logits(again, batch), expected)
    assert again.config.num_labels == model.config.num_labels


@pytest.mark.parametrize("model_class", AUTO, ids=lambda model_class: model_class.__name__.removeprefix("Text"))
def test_pefts_own_classes_load_it_from_the_same_directory(
    model_class, base_folder, batch_for, tmp_path, monkeypatch
) -> None:
    monkeypatch.chdir(tmp_path)
    section, batch = SECTIONS["lora"], batch_for(model_class)
    model = apply_adapters(load_base(model_class, "base", section), section)
    train(model, batch, steps=3)
    export_adapters(model, "run", section)
    assert json.loads((tmp_path / "run" / "adapter_config.json").read_text())["base_model_name_or_path"] == "base"
    classes = {} if model_class is TextTransformerForCausalLM else {"num_labels": 3}
    again = AUTO[model_class].from_pretrained("run", **classes).eval()
    torch.testing.assert_close(logits(again, batch), logits(model, batch))


def test_a_merged_model_is_a_plain_one_and_the_same(base_folder, batch_for, tmp_path) -> None:
    section = PeftSection(method="lora", r=4, merge=True)
    batch = batch_for(TextTransformerForCausalLM)
    model = apply_adapters(load_base(TextTransformerForCausalLM, base_folder), section)
    train(model, batch, steps=5)
    expected, kept = logits(model, batch), copy.deepcopy(model.state_dict())
    merged = export_adapters(model, tmp_path / "run", section)
    assert not isinstance(merged, PeftModel)
    assert not (tmp_path / "run" / "adapter_config.json").exists()
    torch.testing.assert_close(logits(merged, batch), expected, atol=1e-5, rtol=1e-4)
    plain = AutoModelForCausalLM.from_pretrained(tmp_path / "run").eval()
    torch.testing.assert_close(logits(plain, batch), expected, atol=1e-5, rtol=1e-4)
    assert not torch.allclose(expected, logits(load_base(TextTransformerForCausalLM, base_folder).eval(), batch))
    for name, weight in model.state_dict().items():  # the trainer's own model goes on as it was
        assert torch.equal(weight, kept[name])


@pytest.mark.parametrize("loaded", ["in 4 bits", "in full"])
def test_a_qlora_base_is_held_in_four_bits(loaded, base_folder) -> None:
    section = SECTIONS["qlora"]
    base = load_base(TextTransformerForCausalLM, base_folder, section if loaded == "in 4 bits" else None)
    model = apply_adapters(base, section).get_base_model()
    assert model.is_loaded_in_4bit
    projection = model.transformer.layers[0].attention.q_proj.base_layer
    assert projection.weight.dtype == torch.uint8
    assert projection.weight.quant_state.quant_type == "nf4"
    assert projection.compute_dtype == torch.bfloat16
    assert model.lm_head.weight.dtype == torch.float32
    assert model.lm_head.weight.data_ptr() == model.transformer.embed_tokens.weight.data_ptr()


def test_the_head_of_a_base_read_in_full_keeps_its_labels_in_four_bits(base_folder) -> None:
    labels = {0: "a", 1: "b", 2: "c"}
    base = TextTransformerForSequenceClassification.from_pretrained(base_folder, id2label=labels)
    model = apply_adapters(base, SECTIONS["qlora"])
    assert model.config.id2label == labels
    assert model.get_base_model().score.modules_to_save.default.weight.dtype == torch.float32


def test_a_prefix_continues_text_with_and_without_a_cache(base_folder, batch_for) -> None:
    batch = batch_for(TextTransformerForCausalLM)
    model = apply_adapters(load_base(TextTransformerForCausalLM, base_folder), SECTIONS["prefix_tuning"])
    train(model, batch, steps=5)
    ids = batch["input_ids"][3:]
    continued = model.generate(
        input_ids=ids, attention_mask=torch.ones_like(ids), max_new_tokens=4, do_sample=False, pad_token_id=0
    )
    whole = logits(model, {"input_ids": continued, "attention_mask": torch.ones_like(continued)})
    assert torch.equal(whole[:, ids.shape[1] - 1 : -1].argmax(-1), continued[:, ids.shape[1] :])


@pytest.mark.parametrize(("below", "expected"), [("", "base"), ("elsewhere", "base")])
def test_no_path_of_this_machine_is_written(below, expected, base_folder, tmp_path, monkeypatch) -> None:
    (tmp_path / "elsewhere").mkdir()
    monkeypatch.chdir(tmp_path / below)
    model = apply_adapters(load_base(TextTransformerForCausalLM, base_folder), SECTIONS["lora"])
    export_adapters(model, "run", SECTIONS["lora"])
    run = tmp_path / below / "run"
    assert all(str(tmp_path) not in path.read_text() for path in run.glob("*.json"))
    assert json.loads((run / "adapter_config.json").read_text())["base_model_name_or_path"] == expected
    # with the recipe beside it, the base is found again
    (run / "recipe.yaml").write_text(f"model: {{pretrained: {base_folder}}}\n")
    monkeypatch.chdir("/")
    assert load_adapters(TextTransformerForCausalLM, run).peft_config


def test_the_base_is_read_in_float32_whatever_it_was_saved_in(base_folder, tmp_path) -> None:
    section = PeftSection(method="lora")
    base = TextTransformerForCausalLM.from_pretrained(base_folder)
    export_adapters(apply_adapters(base, section), tmp_path / "run", section)
    TextTransformerForCausalLM.from_pretrained(base_folder, dtype=torch.bfloat16).save_pretrained(tmp_path / "half")
    again = load_adapters(TextTransformerForCausalLM, tmp_path / "run", base=str(tmp_path / "half"))
    assert {weight.dtype for weight in again.parameters()} == {torch.float32}


def test_what_does_not_fit_is_refused_in_one_line(base_folder, batch_for, monkeypatch) -> None:
    fresh = TextTransformerForCausalLM(load_base(TextTransformerForCausalLM, base_folder).config)
    fresh.config._name_or_path = ""
    fresh.name_or_path = ""
    with pytest.raises(ValueError, match=r"random weights: set model\.pretrained"):
        apply_adapters(fresh, SECTIONS["lora"])
    base = load_base(TextTransformerForCausalLM, base_folder)
    with pytest.raises(ValueError, match=r"peft: lora does not fit .*'no_such_layer'") as caught:
        apply_adapters(base, PeftSection(method="lora", target_modules=["no_such_layer"]))
    assert "\n" not in str(caught.value)
    clips = ConvVideoEncoderForVideoClassification(ConvVideoEncoderConfig())
    clips.name_or_path = "somewhere"
    with pytest.raises(ValueError, match=r"prefix_tuning puts keys and values before a text.*use lora"):
        apply_adapters(clips, SECTIONS["prefix_tuning"])
    monkeypatch.setitem(__import__("sys").modules, "bitsandbytes", None)
    with pytest.raises(ImportError, match=r"heygen_hf\[quantization\]"):
        base_loading_options(SECTIONS["qlora"])


@pytest.mark.parametrize(
    ("options", "complaint"),
    [
        ({"method": "lora", "r": 0}, "r must be at least 1"),
        ({"method": "lora", "lora_dropout": 1.0}, r"lora_dropout must lie in \[0, 1\)"),
        ({"method": "qlora", "merge": True}, "merge needs method=lora, and it is qlora"),
        ({"method": "prefix_tuning", "merge": True}, "merge needs method=lora"),
        ({"method": "prefix_tuning", "target_modules": ["q_proj"]}, "prefix_tuning changes no layer"),
        ({"method": "lora", "target_modules": []}, "target_modules is empty"),
    ],
)
def test_sections_that_cannot_be(options, complaint) -> None:
    with pytest.raises(ValueError, match=complaint):
        PeftSection(**options)
