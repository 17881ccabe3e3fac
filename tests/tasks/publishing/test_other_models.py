"""Models that are no pipelines: a language model, an autoencoder of diffusers, an adapter."""

import json
from pathlib import Path

import pytest
import torch
from diffusers import AutoencoderKLLTXVideo
from loopback_hub import TOKEN, LoopbackHub
from peft import LoraConfig, get_peft_model
from safetensors.torch import load_file, save_file

from heygen_hf.data import build_tokenizer
from heygen_hf.hub import CardFacts, write_card, write_model_reference
from heygen_hf.hub.gate import GateError, check_folder, promised_ways
from heygen_hf.hub.repo_folder import write_repo_folder
from heygen_hf.models.conv_video_encoder import ConvVideoEncoderConfig
from heygen_hf.models.multimodal_fusion import MultimodalFusionConfig, MultimodalFusionForClassification
from heygen_hf.models.text_transformer import TextTransformerConfig, TextTransformerForCausalLM
from heygen_hf.processing import VideoProcessor
from heygen_hf.tasks.adapters import PeftSection, export_adapters
from heygen_hf.tasks.hub_section import HubSection
from heygen_hf.tasks.publishing import publish_run
from heygen_hf.tasks.push_to_hub import publish_finished_run

NAME = "someone/small-model"


def card(folder: Path, task: str, **facts) -> None:
    write_card(folder, CardFacts(title="Small", task=task, licence="mit", usage="model = FOLDER", **facts))


def language_model() -> tuple[TextTransformerForCausalLM, object]:
    torch.manual_seed(0)
    tokenizer = build_tokenizer(["one two three four five six"])
    sizes = {"hidden_size": 32, "num_hidden_layers": 1, "num_attention_heads": 2, "num_key_value_heads": 2}
    return TextTransformerForCausalLM(TextTransformerConfig(vocab_size=len(tokenizer), **sizes)).eval(), tokenizer


@pytest.fixture
def language_run(tmp_path: Path) -> Path:
    folder = tmp_path / "language"
    model, tokenizer = language_model()
    model.save_pretrained(folder)
    tokenizer.save_pretrained(folder)
    assert write_model_reference(model, folder)
    card(folder, "text-generation")
    return folder


@pytest.fixture
def fusion_run(tmp_path: Path) -> Path:
    torch.manual_seed(0)
    folder = tmp_path / "fusion"
    video = ConvVideoEncoderConfig(hidden_sizes=[8, 16], strides=[[1, 2], [1, 2]], depths=0, output_format="map")
    config = MultimodalFusionConfig(
        video_config=video,
        hidden_size=32,
        num_hidden_layers=1,
        num_attention_heads=2,
        intermediate_size=48,
        num_labels=3,
    )
    model = MultimodalFusionForClassification(config).eval()
    model.save_pretrained(folder)
    VideoProcessor(num_frames=4, height=16, width=16).save_pretrained(folder)
    assert write_model_reference(model, folder)
    card(folder, "video-classification")
    return folder


@pytest.fixture
def autoencoder_run(tmp_path: Path) -> Path:
    torch.manual_seed(0)
    folder = tmp_path / "autoencoder"
    sizes = {
        "block_out_channels": (8, 16),
        "decoder_block_out_channels": (8, 16),
        "layers_per_block": (1, 1, 1),
        "decoder_layers_per_block": (1, 1, 1),
        "spatio_temporal_scaling": (True, False),
        "decoder_spatio_temporal_scaling": (True, False),
        "decoder_inject_noise": (False, False, False),
        "patch_size": 2,
        "latent_channels": 4,
    }
    model = AutoencoderKLLTXVideo(**sizes).eval()
    model.save_pretrained(folder)
    VideoProcessor(num_frames=9, height=32, width=32).save_pretrained(folder)
    assert write_model_reference(model, folder)
    card(folder, "video-to-video", library_name="diffusers")
    return folder


def problems(folder: Path, tmp_path: Path) -> list[str]:
    exported = write_repo_folder(folder, tmp_path / "repository", repo_id=NAME)
    return [f"{check.name}: {check.problem}" for check in check_folder(exported, source=folder) if check.problem]


@pytest.mark.parametrize("kind", ["language_run", "fusion_run", "autoencoder_run"])
def test_they_pass(kind: str, tmp_path: Path, request: pytest.FixtureRequest) -> None:
    assert problems(request.getfixturevalue(kind), tmp_path) == []


def test_the_reference_holds_drawn_inputs_and_the_outputs(language_run: Path) -> None:
    held = load_file(language_run / "reference.safetensors")
    assert held.keys() == {"input.input_ids", "input.attention_mask", "output.logits"}
    model = TextTransformerForCausalLM.from_pretrained(language_run).eval()
    with torch.no_grad():
        logits = model(input_ids=held["input.input_ids"], attention_mask=held["input.attention_mask"]).logits
    assert torch.equal(logits, held["output.logits"])
    record = json.loads((language_run / "reference.json").read_text())
    assert set(record["files"]) >= {"config.json", "model.safetensors", "tokenizer.json"}


def test_configurations_point_to_the_code(fusion_run: Path, tmp_path: Path) -> None:
    exported = write_repo_folder(fusion_run, tmp_path / "repository", repo_id=NAME)
    auto_map = exported.config["auto_map"]
    files = {reference.partition(".")[0] for reference in auto_map.values()}
    assert len(files) == 1
    assert (exported.path / f"{files.pop()}.py").is_file()
    assert auto_map["AutoModelForVideoClassification"].endswith(".MultimodalFusionForClassification")
    processor = json.loads((exported.path / "preprocessor_config.json").read_text())
    assert processor["auto_map"]["AutoImageProcessor"].endswith(".VideoProcessor")
    assert promised_ways(exported).without[0] == "model:AutoModelForVideoClassification"


@pytest.mark.slow
@pytest.mark.parametrize("kind", ["language_run", "fusion_run", "autoencoder_run"])
def test_they_go_to_the_hub_and_load_back(kind: str, hub: LoopbackHub, request: pytest.FixtureRequest) -> None:
    folder = request.getfixturevalue(kind)
    published = publish_run(folder, repo_id=NAME, token=TOKEN, endpoint=hub.url, say=lambda line: None)
    assert published.pushed is not None
    assert sum("without heygen_hf" in check.name for check in published.checks) >= 4
    assert sum("with heygen_hf" in check.name for check in published.checks) >= 2


@pytest.fixture
def adapter_run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """LoRA on a base that lies in the working directory, exported as a recipe with `peft` exports it."""
    monkeypatch.chdir(tmp_path)
    base, tokenizer = language_model()
    base.save_pretrained("base")
    base = TextTransformerForCausalLM.from_pretrained("base")
    model = get_peft_model(base, LoraConfig(task_type="CAUSAL_LM", r=2, target_modules=["q_proj"]))
    folder = tmp_path / "adapter"
    export_adapters(model, folder, PeftSection(method="lora", r=2))
    tokenizer.save_pretrained(folder)
    (folder / "README.md").unlink(missing_ok=True)  # peft's own
    card(folder, "text-generation", library_name="peft")
    return folder


def test_an_adapter_needs_a_base_that_others_can_load(adapter_run: Path) -> None:
    with pytest.raises(GateError, match=r"adapter: base: its base is called 'base'.*--base-model USER/NAME"):
        publish_run(adapter_run, repo_id=NAME, local_only=True, say=lambda line: None)


@pytest.mark.slow
def test_an_adapter_is_published_as_an_adapter(adapter_run: Path, hub: LoopbackHub) -> None:
    options = {"repo_id": NAME, "base_model": "someone/base", "token": TOKEN, "endpoint": hub.url}
    published = publish_run(adapter_run, **options, say=lambda line: None)
    assert any("base, with heygen_hf" in check.name for check in published.checks)  # loaded on the base that lies here
    held = hub.files(NAME)
    assert json.loads(held["adapter_config.json"])["base_model_name_or_path"] == "someone/base"
    assert "adapter_model.safetensors" in held
    assert "model.safetensors" not in held
    assert b"\nbase_model: someone/base\n" in held["README.md"]


@pytest.mark.slow
def test_a_recipe_publishes_an_adapter_with_the_name_of_its_base(
    adapter_run: Path, hub: LoopbackHub, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HF_TOKEN", TOKEN)
    monkeypatch.setattr("huggingface_hub.constants.ENDPOINT", hub.url)
    wanted = {"push_to_hub": True, "repo_id": NAME, "license": "mit"}
    with pytest.warns(UserWarning, match=r"was not published \(.*--base-model USER/NAME"):
        assert publish_finished_run(adapter_run, HubSection(**wanted)) is None
    published = publish_finished_run(adapter_run, HubSection(**wanted, base_model="someone/base"))
    assert published is not None
    assert json.loads(hub.files(NAME)["adapter_config.json"])["base_model_name_or_path"] == "someone/base"


def test_an_adapter_that_holds_other_weights(adapter_run: Path) -> None:
    path = adapter_run / "adapter_model.safetensors"
    save_file({"embed_tokens.weight": torch.zeros(2, 2), **load_file(path)}, str(path))
    with pytest.raises(GateError, match=r"embed_tokens\.weight is no weight of an adapter"):
        publish_run(adapter_run, repo_id=NAME, base_model="someone/base", local_only=True, say=lambda line: None)
