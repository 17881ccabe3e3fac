"""Language modelling: it learns text from a file, its folder loads with Auto classes, and bad recipes are told why."""

import ast
import json
from pathlib import Path

import pytest
import torch
from transformers import (
    AutoModelForCausalLM,
    AutoTokenizer,
    BloomConfig,
    BloomForCausalLM,
    GPT2Config,
    GPT2LMHeadModel,
    OPTConfig,
    OPTForCausalLM,
)

from heygen_hf.data.text import build_tokenizer
from heygen_hf.data.text.byte_pairs import build_byte_pair_tokenizer
from heygen_hf.tasks import run_recipe
from heygen_hf.tasks.recipe import load_recipe
from heygen_hf.tasks.text.language_modeling import build, evaluate
from heygen_hf.tasks.text.text_data import TextDataSection, prepare_text_splits

RECIPE = Path(__file__).parents[3] / "recipes" / "text" / "language_modeling.yaml"


def documents() -> list[str]:
    """Real docstrings, some 60 of them."""
    names = sorted(name for name in dir(ast) if isinstance(getattr(ast, name), type))
    return [f"{name}: {getattr(ast, name).__doc__}" for name in names]


@pytest.fixture
def tiny(tmp_path: Path) -> list[str]:
    rows = [json.dumps({"body": text}) for text in documents()]
    (tmp_path / "text.jsonl").write_text("\n".join(rows))
    return [
        f"data.train={tmp_path / 'text.jsonl'}",
        f"data.cache_dir={tmp_path / 'cache'}",
        f"output_dir={tmp_path / 'run'}",
        "data.text_column=body",
        "data.repeated=exact",
        "data.test_share=0.2",
        "data.validation_share=0.1",
        "data.vocab_size_limit=300",
        "data.max_length=32",
        "model.hidden_size=32",
        "model.num_hidden_layers=2",
        "model.num_attention_heads=2",
        "training.max_steps=25",
        "training.warmup_steps=2",
        "training.per_device_train_batch_size=16",
        "training.learning_rate=1e-2",
        "training.muon_learning_rate=1e-2",
        "training.eval_steps=25",
        "training.save_steps=25",
        "training.compile_blocks=never",
        "training.disable_tqdm=true",
        "evaluation.num_prompts=2",
        "evaluation.generated_tokens=8",
    ]


def figures_of(metrics: dict) -> dict[str, dict]:
    return {figure["name"]: figure for figure in metrics["figures"]}


def test_a_run_learns_and_its_folder_loads_generates_and_measures_the_same(tiny, tmp_path):
    run_recipe(RECIPE, tiny)
    folder = tmp_path / "run"
    figures = figures_of(json.loads((folder / "metrics.json").read_text()))

    # 1. It learned: bytes at random would cost 8 bits.
    bits = figures["bits per byte"]
    assert bits["value"] < 4.5
    assert bits["interval"][0] < bits["value"] < bits["interval"][1]
    held_out = prepare_text_splits(load_recipe(RECIPE, tiny).data, seed=0).texts("test")
    assert bits["count"] == len(held_out) > 5
    assert f"{sum(len(text.encode()) for text in held_out):,} UTF-8 bytes" in bits["note"]

    # 2. The baselines stand beside it, and the cache changes nothing.
    assert 0 < figures["bits per byte of a byte 6-gram"]["value"] < 8
    assert 0 < figures["bits per byte of xz"]["value"] < 8
    assert figures["generations that the cache does not change"]["value"] == 1
    assert figures["generation"]["count"] == 16

    # 3. Whoever has the folder can use it.
    tokenizer = AutoTokenizer.from_pretrained(folder)
    model = AutoModelForCausalLM.from_pretrained(folder)
    prompt = tokenizer("Expression", return_tensors="pt")
    for options in ({}, {"do_sample": True, "top_p": 0.9}, {"num_beams": 3}):
        generated = model.generate(**prompt, max_new_tokens=6, **options)
        assert tokenizer.decode(generated[0], skip_special_tokens=True).startswith("Expression")

    train = json.loads((folder / "run.json").read_text())["reports"]["train"]
    assert train["num_rows"] == train["num_used"] + train["num_set_apart"] + train["num_repeated"]
    assert train["tokenized"]["num_documents"] == train["num_used"]

    # 4. Measured anew from the folder alone, it is the same model, and the card says so.
    again = figures_of(evaluate(folder))
    assert again["bits per byte"]["value"] == pytest.approx(bits["value"], rel=1e-3)
    assert "AutoModelForCausalLM" in (folder / "README.md").read_text()


def test_splits_share_no_document(tiny):
    recipe = load_recipe(RECIPE, tiny)
    splits = prepare_text_splits(recipe.data, seed=recipe.seed)
    parts = [set(splits.texts(name)) for name in ("train", "validation", "test")]
    assert len(set.union(*parts)) == sum(map(len, parts)) == len(set(documents()))
    assert splits.reports["train"]["num_used"] == len(parts[0])
    assert splits.reports["train"]["num_set_apart"] == len(parts[1]) + len(parts[2])


def test_splits_that_are_given_are_taken(tmp_path):
    for split in ("train", "validation", "test"):
        (tmp_path / split).mkdir()
        for number in range(3):
            (tmp_path / split / f"{number}.txt").write_text(f"{split} document {number}\n\nand more")
    (tmp_path / "train" / "empty.txt").write_text("\n")
    data = TextDataSection(train=str(tmp_path), cache_dir=str(tmp_path / "cache"), repeated="exact")
    splits = prepare_text_splits(data, seed=0)
    for split in ("train", "validation", "test"):
        assert [text[: len(split)] for text in splits.texts(split)] == [split] * 3
    assert [row["reason"] for row in splits.reports["train"]["skipped"]] == ["no text"]


def test_given_documents_that_are_trained_on_are_left_out_and_said(tiny, tmp_path, capsys):
    texts = documents()
    for name, some in (("train", texts[:30]), ("test", texts[25:36] + texts[30:32] + ["?!"])):
        (tmp_path / f"{name}.jsonl").write_text("\n".join(json.dumps({"body": text}) for text in some))
    given = [f"data.train={tmp_path / 'train.jsonl'}", f"data.test={tmp_path / 'test.jsonl'}"]
    parts = build(load_recipe(RECIPE, [*tiny, *given]), exported=None, is_main=True)
    report = parts.reports["test"]
    assert report["num_used"] == 6
    assert (report["num_repeated"], report["num_in_other_splits"], report["num_without_words"]) == (2, 5, 1)
    said = "test: of 14 documents are left out: 2 repeat others, 5 are in other splits, 1 have no word"
    assert said in capsys.readouterr().out
    assert "No document of one split is in another. No validation document" in parts.data_note
    kept = build(load_recipe(RECIPE, [*tiny, *given, "data.repeated=keep"]), exported=None, is_main=False)
    assert kept.reports["test"]["num_used"] == 14
    assert "given to test may be in the training text" in kept.data_note


def test_a_tokenizer_that_loses_text_has_no_bits_per_byte(tiny, tmp_path, capsys):
    tokenizer = build_tokenizer(documents())  # of small letters
    tokenizer.add_special_tokens({"eos_token": "[EOS]"})
    tokenizer.save_pretrained(tmp_path / "lossy")
    more = [f"data.tokenizer={tmp_path / 'lossy'}", "evaluation.num_prompts=0", "evaluation.baselines=false"]
    parts = build(load_recipe(RECIPE, [*tiny, *more]), exported=None, is_main=True)
    assert "bits per byte will not be measured" in capsys.readouterr().out
    bits, perplexity = parts.measure(parts.build_model().eval())
    assert (bits.name, bits.value, bits.interval) == ("bits per byte", None, None)
    assert "loses a part of" in bits.note
    assert perplexity.value > 1


def test_a_text_file_can_be_divided_into_paragraphs(tmp_path):
    (tmp_path / "book.txt").write_text("\n\n".join(documents()))
    options = {"train": str(tmp_path / "book.txt"), "cache_dir": str(tmp_path / "cache")}
    with pytest.raises(ValueError, match="documents_of_txt=paragraph"):
        prepare_text_splits(TextDataSection(**options), seed=0)
    divided = prepare_text_splits(TextDataSection(**options, documents_of_txt="paragraph", test_share=0.3), seed=0)
    assert len(divided.train) > 20


def test_a_pretrained_model_of_transformers_is_trained_further_within_documents(tiny, tmp_path):
    base = tmp_path / "gpt2"
    tokenizer = build_byte_pair_tokenizer(documents(), vocab_size_limit=280)
    tokenizer.save_pretrained(base)
    ends = {"bos_token_id": 1, "eos_token_id": 2}
    config = GPT2Config(vocab_size=len(tokenizer), n_embd=16, n_layer=1, n_head=2, n_positions=64, **ends)
    GPT2LMHeadModel(config).save_pretrained(base)
    bare = tmp_path / "bare.yaml"
    bare.write_text(f"task: language_modeling\nmodel: {{pretrained: {base}}}\n")
    recipe = load_recipe(bare, [line for line in tiny if not line.startswith("model.")])
    parts = build(recipe, exported=None, is_main=True)
    assert parts.model_class is GPT2LMHeadModel
    assert parts.processors[0].get_vocab() == tokenizer.get_vocab()
    batch = parts.collate([parts.train_dataset[row] for row in range(2)])
    assert "sequence_ids" not in batch
    model = parts.build_model()
    assert torch.isfinite(model(**batch).loss)
    assert model.config.n_embd == 16

    # The positions of packed documents keep attention within each.
    row = next(row for row in parts.train_dataset if 0 in row["position_ids"][1:])
    ids, positions = torch.tensor([row["input_ids"]]), torch.tensor([row["position_ids"]])
    start = row["position_ids"].index(0, 1)
    ids, positions = ids[:, : start + 3], positions[:, : start + 3]
    model.eval().config.use_cache = False  # as Trainer sets it
    alone = model(input_ids=ids[:, start:], position_ids=positions[:, start:]).logits
    packed = model(input_ids=ids, position_ids=positions).logits[:, start:]
    torch.testing.assert_close(packed, alone, rtol=1e-4, atol=1e-4)

    with pytest.raises(ValueError, match=r"model.hidden_size is 32 and that of .* is 16"):
        build(load_recipe(bare, [*tiny]), exported=None, is_main=True).build_model()


def pretrained_recipe(model, folder: Path) -> Path:
    tokenizer = build_byte_pair_tokenizer(documents(), vocab_size_limit=280)
    tokenizer.save_pretrained(folder)
    model.save_pretrained(folder)
    (folder / "recipe.yaml").write_text(f"task: language_modeling\nmodel: {{pretrained: {folder}}}\n")
    return folder / "recipe.yaml"


@pytest.mark.parametrize("kind", ["opt", "bloom"])
def test_a_model_that_cannot_keep_packed_documents_apart_is_refused(kind, tiny, tmp_path):
    if kind == "opt":
        sizes = {"hidden_size": 16, "word_embed_proj_dim": 16, "ffn_dim": 16, "num_attention_heads": 2}
        config = OPTConfig(vocab_size=280, num_hidden_layers=1, max_position_embeddings=64, **sizes)
        recipe = pretrained_recipe(OPTForCausalLM(config), tmp_path / kind)
    else:
        config = BloomConfig(vocab_size=280, hidden_size=16, n_layer=1, n_head=2)
        recipe = pretrained_recipe(BloomForCausalLM(config), tmp_path / kind)
    values = [value for value in tiny if not value.startswith("model.")]
    with pytest.raises(ValueError, match=r"ForCausalLM\) cannot keep documents apart.*data.packing=none"):
        build(load_recipe(recipe, values), exported=None, is_main=False).build_model()
    parts = build(load_recipe(recipe, [*values, "data.packing=none"]), exported=None, is_main=False)
    batch = parts.collate([parts.train_dataset[row] for row in range(2)])
    assert torch.isfinite(parts.build_model()(**batch).loss)


def test_rows_longer_than_learned_positions_are_refused(tiny, tmp_path):
    config = GPT2Config(vocab_size=280, n_embd=16, n_layer=1, n_head=2, n_positions=64)
    recipe = pretrained_recipe(GPT2LMHeadModel(config), tmp_path / "gpt2")
    values = [value for value in tiny if not value.startswith("model.")]
    with pytest.raises(ValueError, match=r"data.max_length is 65 and model.pretrained=.* knows 64 positions"):
        build(load_recipe(recipe, [*values, "data.max_length=65"]), exported=None, is_main=False)
    with pytest.raises(ValueError, match=r"generated_tokens is 63 and .* has room for \d+ after the longest prompt"):
        build(load_recipe(recipe, [*values, "evaluation.generated_tokens=63"]), exported=None, is_main=False)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (["model.vocab_size=100"], "model.vocab_size is 100 tokens and the tokenizer has"),
        (["data.max_length=1"], "max_length is 1; expected at least 2"),
        (["data.max_length=2"], "2 tokens go around every document"),
        (["data.text_column=text"], "data.text_column is 'text'.*body"),
        (["data.train=nowhere.jsonl"], "there is no nowhere.jsonl"),
        (["evaluation.stride=32"], "evaluation.stride is 32 and data.max_length 32"),
        (["data.vocab_size_limit=100"], "vocab_size_limit is 100"),
        (["model.pretrained=nowhere"], "is no causal language model"),
        (["model.pretrained=/nowhere/at/all"], "model.pretrained: no folder /nowhere/at/all"),
        (["model.hidden_size=33"], "recipe section model: hidden_size=33"),
    ],
)
def test_what_cannot_work_is_refused_before_the_first_step(tiny, tmp_path, change, message):
    with pytest.raises(ValueError, match=message):
        run_recipe(RECIPE, [*tiny, *change])
    assert not list((tmp_path / "run").glob("checkpoints/checkpoint-*"))


def test_nothing_to_predict_is_refused(tiny, tmp_path):
    tokenizer = build_byte_pair_tokenizer(documents(), vocab_size_limit=300, add_start=False)
    tokenizer.save_pretrained(tmp_path / "tokenizer")
    (tmp_path / "text.jsonl").write_text("\n".join(json.dumps({"body": letter}) for letter in "abcdefghijklmnopqrst"))
    tokenizer.eos_token = None
    tokenizer.save_pretrained(tmp_path / "tokenizer")
    change = [f"data.tokenizer={tmp_path / 'tokenizer'}", "data.packing=none", "data.repeated=keep"]
    with pytest.raises(ValueError, match="nothing to predict"):
        run_recipe(RECIPE, [*tiny, *change])


def test_no_text_is_refused(tiny, tmp_path):
    (tmp_path / "text.jsonl").write_text("\n".join(json.dumps({"body": "  "}) for _ in range(5)))
    with pytest.raises(ValueError, match="holds no text in 5 documents"):
        run_recipe(RECIPE, tiny)
