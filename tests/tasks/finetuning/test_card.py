"""The card of a fine-tuning says what was trained of which model, and how plain diffusers loads it."""

import json
import re
import shutil
from pathlib import Path

import pytest
import torch
import yaml
from loopback_hub import Repo

from heygen_hf.data import write_video
from heygen_hf.models.pretrained_generators.wan import WanFamily
from heygen_hf.tasks.cards import rewrite_card
from heygen_hf.tasks.finetuning.base.pipeline import BasePipeline
from heygen_hf.tasks.finetuning.card import licence_of, write_finetuning_card
from heygen_hf.tasks.recipe import load_recipe
from heygen_hf.tasks.run_folder import RunFolder, write_json


@pytest.fixture
def write(adapter, export, tmp_path: Path):
    """A copy of a run with its card, and the card's text."""

    def card_of(family: str = "wan", *, source: Path | None = None, hub: dict | None = None, **base) -> str:
        run = Path(shutil.copytree(source or adapter(family), tmp_path / "run", dirs_exist_ok=True))
        values = yaml.safe_load((run / "recipe.yaml").read_text())
        (run / "recipe.yaml").write_text(yaml.safe_dump({**values, "hub": hub or {}}))
        write_json(run / "base_pipeline.json", json.loads((run / "base_pipeline.json").read_text()) | base)
        (run / "samples").mkdir(exist_ok=True)
        for name, value in (("before-00", 0), ("after-00", 255)):
            write_video(run / "samples" / f"{name}.mp4", torch.full((9, 3, 32, 32), value, dtype=torch.uint8))
        write_json(run / "run.json", {"prompts": ["a red ball"]})
        write_finetuning_card(RunFolder(run), load_recipe(run / "recipe.yaml"))
        return (run / "README.md").read_text()

    return card_of


def header(card: str) -> dict:
    return yaml.safe_load(card.split("---\n")[1])


def code(card: str) -> str:
    return re.search(r"```python\n(.*?)```", card, flags=re.DOTALL)[1]


def test_an_adapter_of_a_base_on_the_hub(write):
    card = write(base_model="user/wan", base_revision="0" * 40)
    assert header(card)["base_model"] == "user/wan"
    assert header(card)["library_name"] == "diffusers"
    assert {"adapter", "lora"} <= set(header(card)["tags"])
    assert code(card).startswith("from diffusers import WanPipeline\n")
    assert f'pipe = WanPipeline.from_pretrained("user/wan", revision="{"0" * 40}")' in code(card)
    assert 'pipe.load_lora_weights("path/to/this/folder")' in code(card)
    compile(code(card), "card", "exec")
    rows = dict(re.findall(r"^\| ([a-zA-Z ]+) \| ([^|]+) \|$", card, flags=re.MULTILINE))
    assert (rows["rank"], rows["alpha"], rows["method"]) == ("4", "8", "LoRA")
    assert rows["base model"] == "user/wan"
    assert rows["trained weights"] == "3,968"  # 2 blocks of 8 projections of attention and 2 of the feed-forward
    assert rows["licence of the base"] == "unknown"


def test_a_base_without_a_name_has_a_place_for_one(write):
    card = write()
    assert "base_model" not in header(card)
    assert 'WanPipeline.from_pretrained("path/to/the/base")' in code(card)


def test_before_and_after_are_shown_side_by_side(write, tmp_path):
    card = write()
    assert "![Generated videos, in motion](samples/before_after.gif)" in card
    assert "a red ball ([video](samples/after-00.mp4))" in card
    from PIL import Image

    with Image.open(tmp_path / "run" / "samples" / "before_after.gif") as picture:
        pixels = picture.convert("L")
    left, right = (
        pixels.getpixel((pixels.width // 4, pixels.height // 2)),
        pixels.getpixel((3 * pixels.width // 4, pixels.height // 2)),
    )
    assert left < 50
    assert right > 200


def test_a_picture_is_asked_for_where_videos_begin_with_one(write):
    card = write("wan_image_to_video")
    assert header(card)["pipeline_tag"] == "image-to-video"
    assert 'pipe(image=load_image("first_frame.png"), prompt="a red ball"' in code(card)
    compile(code(card), "card", "exec")


def test_a_clip_that_controls_is_asked_for(write):
    card = write("wan_vace")
    assert header(card)["pipeline_tag"] == "video-to-video"
    assert "from diffusers.utils import export_to_video, load_video\n" in code(card)
    assert 'pipe(video=load_video("video.mp4"), prompt="a red ball"' in code(card)


def test_the_licence_of_the_base_is_said_where_it_is_known(write, adapter, tiny_pipeline_folder, tmp_path):
    base = Path(shutil.copytree(tiny_pipeline_folder("wan"), tmp_path / "base"))
    (base / "README.md").write_text("---\nlicense: other\nlicense_name: its-own\n---\n# base\n")
    run = Path(shutil.copytree(adapter("wan"), tmp_path / "source"))
    values = yaml.safe_load((run / "recipe.yaml").read_text())
    (run / "recipe.yaml").write_text(yaml.safe_dump({**values, "model": {"pretrained": str(base)}}))
    card = write(source=run, hub={"license": "apache-2.0"})
    assert "| licence of the base | its-own |" in card
    assert header(card)["license"] == "apache-2.0"
    assert "its licence applies to whatever is made with it" in card


def test_a_whole_pipeline_is_loaded_by_itself(write, export):
    card = write(source=export("ltx", peft=False))
    assert 'pipe = LTXPipeline.from_pretrained("path/to/this/folder")' in code(card)
    assert "load_lora_weights" not in card
    assert "| trained | the whole transformer |" in card
    assert "adapter" not in header(card)["tags"]


def test_it_is_written_again_from_the_run(write, tmp_path):
    card = write()
    (tmp_path / "run" / "README.md").unlink()
    assert rewrite_card(tmp_path / "run").read_text() == card


def test_an_adapter_of_a_folder_is_not_to_be_published_without_a_name(adapter, tmp_path):
    from heygen_hf.tasks.finetuning.base.identity import check_publishable

    with pytest.raises(ValueError, match=r"is a folder: give its name on the Hub in hub.base_model"):
        check_publishable(str(tmp_path), push_to_hub=True, named=None)
    check_publishable(str(tmp_path), push_to_hub=True, named="user/wan")
    check_publishable("user/wan", push_to_hub=True, named=None)


@pytest.fixture
def licence_on_the_hub(hub, monkeypatch, tmp_path):
    """What the card of an adapter says of a base of the Hub, whose snapshot has no card of its own."""
    monkeypatch.setattr("huggingface_hub.constants.ENDPOINT", hub.url)
    template = hub.url + "/{repo_id}/resolve/{revision}/{filename}"
    monkeypatch.setattr("huggingface_hub.constants.HUGGINGFACE_CO_URL_TEMPLATE", template)
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_CACHE", str(tmp_path / "hub_cache"))
    repo = hub.repos["someone/wan"] = Repo()

    def run(files: dict[str, bytes]) -> str | None:
        sha = repo.commit(files, "a base")
        snapshot = tmp_path / "snapshots" / sha
        snapshot.mkdir(parents=True)
        return licence_of(tmp_path, BasePipeline("someone/wan", sha, snapshot, WanFamily))

    return run


def test_the_licence_of_a_base_on_the_hub_is_asked_there(licence_on_the_hub, hub):
    assert licence_on_the_hub({"README.md": b"---\nlicense: apache-2.0\n---\n"}) == "apache-2.0"
    assert licence_on_the_hub({"README.md": b"no header"}) is None
    assert licence_on_the_hub({"model_index.json": b"{}"}) is None
    hub.fail("HEAD", r"README\.md", status=403, times=9)
    hub.fail("GET", r"README\.md", status=403, times=9)
    assert licence_on_the_hub({"README.md": b"---\nlicense: mit\n---\n"}) is None
