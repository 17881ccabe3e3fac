"""From a folder to a small Hub on loopback and back, by `load_dataset` and by this package."""

import json
from pathlib import Path

import pytest
from loopback_hub import TOKEN, LoopbackHub

from heygen_hf.hub import PushError, PushOptions
from heygen_hf.hub.gate import GateError
from heygen_hf.tasks.dataset_publishing import publish_dataset

NAME = "someone/clips"
HELD = f"datasets/{NAME}"


def publish(source: Path, hub: LoopbackHub, **options):
    said: list[str] = []
    options = {"repo_id": NAME, "token": TOKEN, "endpoint": hub.url, "say": said.append, **options}
    return publish_dataset(source, **options), said


def test_what_is_published_loads_back(clips: Path, hub: LoopbackHub) -> None:
    published, said = publish(clips, hub, licence="cc0-1.0")
    assert published.pushed is not None
    assert hub.repos[HELD].refs["main"] == published.pushed.revision
    held = hub.files(HELD)
    assert held["train/a.mp4"] == (clips / "train" / "a.mp4").read_bytes()
    assert json.loads(held["validation/metadata.jsonl"])["text"] == "a clip of validation"
    assert b"license: cc0-1.0" in held["README.md"]
    assert set(held) == {
        *(".gitattributes", "README.md", "data_set.json"),
        *(f"{split}/{name}" for split in ("train", "validation") for name in ("a.mp4", "metadata.jsonl")),
    }
    names = [check.name for check in published.checks]
    for way in ("load_dataset, without heygen_hf", "load_video_dataset, with heygen_hf"):
        assert names.count(way) == 2, way  # from the folder, and from the revision that was made
    assert any(f"/resolve/{published.pushed.revision}/train/a.mp4" in request for request in hub.requests)
    assert published.num_rows == {"train": 1, "validation": 1}
    assert "train: 1 rows, 1 clips of 0 s in all, 1 with sound" in said
    assert TOKEN not in "\n".join(said)


@pytest.mark.slow
def test_tars_branch_tag_and_private(clips: Path, hub: LoopbackHub) -> None:
    options = PushOptions(private=True, branch="tars", tag="v1")
    published, _ = publish(clips, hub, layout="webdataset", options=options)
    assert published.pushed is not None
    repo = hub.repos[HELD]
    assert repo.private
    assert repo.refs["tars"] == repo.refs["v1"] == published.pushed.revision
    assert set(hub.files(HELD)) == {".gitattributes"}
    assert "train/train-00000-of-00001.tar" in hub.files(HELD, "tars")


@pytest.mark.slow
def test_a_push_that_breaks_off_goes_on(clips: Path, hub: LoopbackHub) -> None:
    hub.fail("POST", "/commit/", status=502)
    with pytest.raises(PushError, match=r"the Hub failed \(502\).*nothing was published.*goes on from there") as error:
        publish(clips, hub)
    assert "\n" not in str(error.value)
    assert set(hub.files(HELD)) == {".gitattributes"}
    sent = sum(request.startswith("PUT") for request in hub.requests)
    assert sent == 2
    published, _ = publish(clips, hub)
    assert published.pushed is not None
    assert sum(request.startswith("PUT") for request in hub.requests) == sent  # not sent again


@pytest.mark.slow
def test_a_hub_that_fails_while_it_is_loaded_back(clips: Path, hub: LoopbackHub) -> None:
    hub.fail("GET", "/resolve/.*/train/", status=500, times=99)
    with pytest.raises(
        GateError, match=r"is published and did not load as it was checked; the same command tries"
    ) as error:
        publish(clips, hub)
    assert "\n" not in str(error.value)
    hub.faults.clear()
    commits = len(hub.repos[HELD].commits)
    assert publish(clips, hub)[0].pushed is not None
    assert len(hub.repos[HELD].commits) == commits


@pytest.mark.slow
def test_local_only_leaves_the_folder(clips: Path, hub: LoopbackHub, tmp_path: Path) -> None:
    published, said = publish(clips, hub, local_only=True, token=None, folder=tmp_path / "there")
    assert published.folder == tmp_path / "there"
    assert (tmp_path / "there" / "train" / "a.mp4").is_file()
    assert hub.requests == []
    assert said[-1].endswith("not pushed")


def test_what_cannot_be_published_is_refused_before_anything_is_sent(
    clips: Path, hub: LoopbackHub, monkeypatch: pytest.MonkeyPatch
) -> None:
    with pytest.raises(ValueError, match="is no USER/NAME"):
        publish(clips, hub, repo_id="clips")
    with pytest.raises(PushError, match=r"does not accept the token \(401\).*nothing was published"):
        publish(clips, hub, token="hf_" + "x" * 20)
    with pytest.raises(ValueError, match="is inside"):
        publish(clips, hub, folder=clips / "repository")
    monkeypatch.setattr("heygen_hf.tasks.dataset_publishing.publish.get_token", lambda: None)
    with pytest.raises(PushError, match=r"there is no Hugging Face token.*--local-only"):
        publish(clips, hub, token=None)
    (clips / "train" / "a.mp4").unlink()
    with pytest.raises(GateError, match=r"not published: 1 of 11 checks failed: rows that cannot be used: 1 of 2 rows"):
        publish(clips, hub)
    with pytest.raises(ValueError, match=r"there is no file notes\.json at the top"):
        publish(clips, hub, also=["notes.json"])
    assert {request.partition(" ")[0] for request in hub.requests} == {"GET"}
