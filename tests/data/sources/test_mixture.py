"""Several sources: their shares, that nothing is lost, and that the order is a function of seed and epoch."""

from collections import Counter

import pytest

from heygen_hf.data.sources import load_video_dataset, open_video_shards


@pytest.fixture
def two(tmp_path, write_metadata, write_tar):
    """Twenty clips in a folder, ten in two tars."""
    folder = tmp_path / "drawn"
    folder.mkdir()
    write_metadata(folder, [{"file_name": f"{n}.mp4", "text": f"drawn {n}"} for n in range(20)])
    for part in range(2):
        members: list = []
        for n in range(part * 5, part * 5 + 5):
            members += [(f"{n}.mp4", str(n)), (f"{n}.txt", f"filmed {n}")]
        write_tar(tmp_path / "filmed" / f"{part}.tar", members)
    return [folder, tmp_path / "filmed"]


def test_without_weights_every_row_comes_once(two):
    dataset = load_video_dataset(two)
    assert dataset.column_names == ["video", "text", "file_name", "source"]
    assert Counter(dataset["source"]) == {str(two[0]): 20, str(two[1]): 10}
    assert len(set(dataset["text"])) == 30
    stream = load_video_dataset(two, streaming=True)
    assert stream.features == dataset.features
    assert list(stream) == list(dataset) == list(open_video_shards(two))


def test_weights_decide_how_often_a_source_is_drawn(two):
    options = {"mixing_weights": [1, 3]}
    for opened in (load_video_dataset(two, **options), load_video_dataset(two, streaming=True, **options)):
        drawn = Counter(row["text"] for row in opened)
        assert len(drawn) == 30, "a row is lost"
        by_source = Counter(text.split()[0] for text in drawn.elements())
        assert by_source == {"drawn": 20, "filmed": 60}
        assert set(drawn.values()) == {1, 6}
    shards = open_video_shards(two, **options)
    assert len(shards) == 80
    assert shards.mixing_weights == {str(two[0]): 0.25, str(two[1]): 0.75}
    assert "an epoch draws 80 rows" in shards.notes[-1]
    assert "10 rows, each drawn 6 times" in shards.notes[-1]


def test_shares_that_do_not_divide_repeat_some_rows_once_more(two):
    drawn = Counter(row["text"] for row in load_video_dataset(two, mixing_weights=[0.6, 0.4]))
    assert Counter(text.split()[0] for text in drawn.elements()) == {"drawn": 20, "filmed": 13}
    again = Counter(row["text"] for row in load_video_dataset(two, mixing_weights=[0.6, 0.4]))
    other = Counter(row["text"] for row in load_video_dataset(two, mixing_weights=[0.6, 0.4], seed=1))
    assert drawn == again
    assert drawn != other


def test_a_stream_takes_turns_by_seed_and_epoch(two):
    def order(seed: int, epoch: int) -> list[str]:
        stream = load_video_dataset(two, streaming=True, mixing_weights=[1, 1], seed=seed)
        stream.set_epoch(epoch)
        return [row["text"] for row in stream]

    assert order(0, 1) == order(0, 1)
    assert len({tuple(order(0, 0)), tuple(order(0, 1)), tuple(order(1, 0)), tuple(order(1, 1))}) == 4
    sources = [text.split()[0] for text in order(0, 0)]
    assert {"drawn", "filmed"} == set(sources[:10]) == set(sources[-10:])


def test_a_streamed_mixture_resumes(two):
    def opened():
        stream = load_video_dataset(two, streaming=True, mixing_weights=[1, 2])
        stream.set_epoch(3)
        return stream

    straight = [row["text"] for row in opened()]
    for stop in (1, 17, 59):
        stream, rows = opened(), []
        for row in stream:
            rows.append(row["text"])
            if len(rows) == stop:
                break
        again = opened()
        again.load_state_dict(stream.state_dict())
        assert rows + [row["text"] for row in again] == straight


def test_columns_that_differ_are_named_or_empty(two, tmp_path, write_metadata):
    labelled = tmp_path / "labelled"
    labelled.mkdir()
    write_metadata(labelled, [{"file_name": "a.mp4", "text": "a", "style": "s"}])
    sources = [labelled, two[0]]
    with pytest.raises(
        ValueError, match=r"drawn/metadata.jsonl has no label column 'style'.*missing_columns='none'"
    ) as error:
        load_video_dataset(sources, label_columns=["style"])
    assert "\n" not in str(error.value)
    options = {"label_columns": ["style"], "missing_columns": "none"}
    dataset = load_video_dataset(sources, **options)
    assert dataset["style"][:2] == ["s", None]
    assert list(load_video_dataset(sources, streaming=True, **options)) == list(dataset)
    shards = open_video_shards(sources, **options)
    assert shards.read_columns(["style", "source"])["style"].to_pylist()[:2] == ["s", None]


def test_sound_in_one_source_only_is_a_difference(two, tmp_path, write_tar):
    path = write_tar(tmp_path / "loud.tar", {"a.mp4": b"x", "a.wav": b"y", "a.txt": "loud"})
    with pytest.raises(ValueError, match=r"drawn has no column 'audio' and .*loud.tar has"):
        load_video_dataset([two[0], path])
    dataset = load_video_dataset([two[0], path], missing_columns="none")
    stream = load_video_dataset([two[0], path], missing_columns="none", streaming=True)
    assert dataset[20]["audio"]["bytes"] == list(stream)[20]["audio"]["bytes"] == b"y"


@pytest.mark.parametrize(
    ("weights", "complaint"),
    [([1], "has 1 numbers for 2 sources"), ([1, 0], "has 0; expected positive"), ([1, float("nan")], "has nan")],
)
def test_weights_are_checked(weights, complaint, two):
    with pytest.raises(ValueError, match=complaint):
        load_video_dataset(two, mixing_weights=weights)


def test_the_same_source_twice_has_two_names(two):
    assert set(load_video_dataset([two[0], two[0]])["source"]) == {str(two[0]), f"{two[0]} #2"}
