"""A repository on the Hub as what is measured, with the real client against a Hub on loopback."""

import json
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from huggingface_hub import HfApi

sys.path.insert(0, str(Path(__file__).parents[2] / "hub"))  # `from loopback_hub import LoopbackHub`

from loopback_hub import TOKEN, LoopbackHub

from heygen_hf.tasks.video_metrics import measure_checkpoints, measure_videos

NAME = "someone/tiny-digits"
PIPELINE = ("model_index.json", "processor/*", "scheduler/*", "tokenizer/*", "transformer/*")


@pytest.fixture
def hub(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[LoopbackHub]:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", False)
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_DISABLE_XET", True)
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_CACHE", str(tmp_path / "hub_cache"))
    with LoopbackHub() as running:
        monkeypatch.setattr("huggingface_hub.constants.ENDPOINT", running.url)
        # a template that was made of the endpoint when the client was imported
        template = running.url + "/{repo_id}/resolve/{revision}/{filename}"
        monkeypatch.setattr("huggingface_hub.constants.HUGGINGFACE_CO_URL_TEMPLATE", template)
        yield running


def push(hub: LoopbackHub, folder: Path, *, name: str = NAME) -> str:
    """The commit."""
    api = HfApi(endpoint=hub.url, token=TOKEN)
    api.create_repo(name, exist_ok=True)
    return str(api.upload_folder(repo_id=name, folder_path=folder, allow_patterns=list(PIPELINE)).oid)


def test_a_repository_is_measured_and_its_commit_recorded(run: Path, digits: Path, hub: LoopbackHub) -> None:
    commit = push(hub, run)
    options = {"reference": digits / "test", "num_videos": 2, "seed": 0}
    measured = measure_videos(f"{NAME}@main", ["psnr,temporal_flicker"], **options)
    assert measured.file is not None
    assert measured.file.parent == Path("outputs") / f"someone--tiny-digits@{commit[:8]}" / "evaluation"
    assert len(measured.videos) == 2
    (folder,) = {path.parent for path in measured.videos}
    assert folder.parent == measured.file.parent
    assert folder.name.startswith("generated_of_")  # captions of clips that are not the run's own
    videos = json.loads(measured.file.read_text())["videos"]
    assert (videos["repository"], videos["revision"], videos["commit"]) == (NAME, "main", commit)
    # the same videos as those of the folder that was pushed
    local = measure_videos(run, ["psnr,temporal_flicker"], **options, videos_dir="local", output="local.json")
    assert [path.read_bytes() for path in local.videos] == [path.read_bytes() for path in measured.videos]
    assert local.figures["psnr"].value == measured.figures["psnr"].value
    # a commit names a revision too, and then the cache is enough
    hub.fail("GET", "/", status=None, times=1000)
    hub.fail("HEAD", "/", status=None, times=1000)
    again = measure_videos(f"{NAME}@{commit}", ["temporal_flicker"], **options)
    assert again.videos == measured.videos


def test_what_the_hub_does_not_have_is_one_line(run: Path, tmp_path: Path, hub: LoopbackHub) -> None:
    push(hub, run)
    other = tmp_path / "other"
    other.mkdir()
    (other / "model_index.json").write_text('{"_class_name": "WanPipeline"}')
    push(hub, other, name="someone/wan")
    HfApi(endpoint=hub.url, token=TOKEN).create_repo("someone/empty")
    for source, said in (
        ("someone/none", "there is no someone/none here, and none on the Hub"),
        (f"{NAME}@v9", "has no such revision"),
        (f"{NAME}@", "names no revision after its @"),
        ("someone/wan", "someone/wan holds a WanPipeline, and only a VideoGenerationPipeline"),
        ("someone/empty", "holds no pipeline"),
        ("some one/tiny", "repo id 'some one/tiny' is no USER/NAME"),
        ("someone/a--b", "repo id 'someone/a--b' is no USER/NAME"),
    ):
        with pytest.raises(ValueError, match=said) as caught:
            measure_videos(source, ["temporal_flicker"])
        assert "\n" not in str(caught.value)
    with pytest.raises(ValueError, match=r"--checkpoints is of a run's own folder, and .* is on the Hub"):
        measure_checkpoints(NAME, ["temporal_flicker"])
    assert not (tmp_path / "outputs").exists()


@pytest.mark.slow  # the client tries for half a minute
def test_a_hub_that_fails_is_one_line(hub: LoopbackHub) -> None:
    hub.fail("HEAD", "/", status=503, times=50)
    with pytest.raises(ValueError, match=r"^someone/a: the Hub failed|^there is no someone/a here, and"):
        measure_videos("someone/a", ["temporal_flicker"])


@pytest.mark.usefixtures("hub")
def test_without_a_network_is_one_line(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", True)
    with pytest.raises(ValueError, match=r"there is no someone/b here, and the Hub cannot be reached"):
        measure_videos("someone/b", ["temporal_flicker"])


def test_a_path_that_leads_nowhere_is_not_looked_for_on_the_hub(hub: LoopbackHub, tmp_path: Path) -> None:
    (tmp_path / "outputs").mkdir()
    for source in ("outputs/tiny", "./a/b", str(tmp_path / "none"), "one"):
        with pytest.raises(ValueError, match=r"there is nothing at .*USER/NAME\[@REVISION\] on the Hub"):
            measure_videos(source, ["temporal_flicker"])
    assert not hub.requests
