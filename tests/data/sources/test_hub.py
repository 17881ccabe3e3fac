"""What `load_dataset` gives, in the columns of every source; the Hub itself is not asked."""

import datasets
import pytest

from heygen_hf.data.sources import load_video_dataset
from heygen_hf.data.sources.columns import ColumnChoice
from heygen_hf.data.sources.hub import conform


@pytest.fixture
def offline(monkeypatch):
    """As with `HF_HUB_OFFLINE=1`."""
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", True)
    monkeypatch.setattr("datasets.config.HF_HUB_OFFLINE", True)


@pytest.mark.parametrize("streaming", [False, True])
def test_a_video_folder_of_the_hub(streaming, sources, rows, contents, tmp_path):
    held = datasets.load_dataset(
        "videofolder", data_dir=sources["folder"], split="train", streaming=streaming, cache_dir=str(tmp_path / "cache")
    )
    opened = list(conform(held, ColumnChoice(label_columns=("digit",)), name="me/clips"))
    assert list(opened[0]) == ["video", "text", "digit", "file_name"]
    assert sorted((contents(row), row["text"], row["digit"], row["file_name"]) for row in opened) == sorted(
        (row["bytes"], row["text"], str(row["digit"]), row["name"]) for row in rows
    )


@pytest.mark.parametrize("streaming", [False, True])
def test_embedded_clips_under_other_names(streaming, tmp_path, contents):
    features = datasets.Features(
        {
            "clip": datasets.Video(decode=False),
            "caption": datasets.Value("string"),
            "kind": datasets.ClassLabel(names=["cat", "dog"]),
        }
    )
    rows = {
        "clip": [{"bytes": b"1", "path": None}, {"bytes": b"2", "path": None}],
        "caption": ["a", None],
        "kind": [1, 0],
    }
    datasets.Dataset.from_dict(rows, features=features).to_parquet(str(tmp_path / "a.parquet"))
    held = datasets.load_dataset(
        "parquet",
        data_files=str(tmp_path / "a.parquet"),
        split="train",
        streaming=streaming,
        cache_dir=str(tmp_path / "c"),
    )
    choice = ColumnChoice(caption_column="caption", label_columns=("kind",))
    opened = conform(held, choice, name="me/clips")
    assert opened.features["video"] == datasets.Video(decode=False)
    assert [(contents(row), row["text"], row["kind"], row["file_name"]) for row in opened] == [
        (b"1", "a", "dog", "me/clips:0"),
        (b"2", "", "cat", "me/clips:1"),
    ]
    # the same file, read in place
    in_place = load_video_dataset(
        tmp_path / "a.parquet", caption_column="caption", label_columns=["kind"], streaming=True
    )
    assert [(contents(row), row["text"], row["kind"]) for row in in_place] == [(b"1", "a", "dog"), (b"2", "", "cat")]
    with pytest.raises(ValueError, match="me/clips has no caption column 'text'; it has clip, caption, kind"):
        conform(held, ColumnChoice(), name="me/clips")


@pytest.mark.parametrize("streaming", [False, True])
def test_without_a_network_the_error_is_one_line(streaming, offline):
    with pytest.raises(ValueError, match=r"nobody/clips is no folder or file here, and .*Hub") as caught:
        load_video_dataset("nobody/clips", streaming=streaming)
    assert "\n" not in str(caught.value)
