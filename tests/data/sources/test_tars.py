"""Tars as they are found: keys, captions in several places, damage, and names that mean harm."""

import json

import pytest

from heygen_hf.data.sources import load_video_dataset, open_video_shards


def rows_of(path, **options) -> list[tuple]:
    return [(row["file_name"], row["video"]["bytes"], row["text"]) for row in open_video_shards(path, **options)]


def test_captions_come_from_txt_or_json(tmp_path, write_tar):
    path = write_tar(
        tmp_path / "a.tar",
        {
            "x/1.mp4": b"1",
            "x/1.txt": "one ",
            "x/2.webm": b"2",
            "x/2.json": json.dumps({"text": "two", "style": "drawn"}),
            "x/3.mp4": b"3",
            "x/3.cls": "4",
        },
    )
    assert rows_of(path) == [
        ("a.tar/x/1.mp4", b"1", "one"),
        ("a.tar/x/2.webm", b"2", "two"),
        ("a.tar/x/3.mp4", b"3", ""),
    ]
    shards = open_video_shards(path, label_columns=["label", "style"])
    assert [(row["label"], row["style"]) for row in shards] == [("", ""), ("", "drawn"), ("4", "")]
    assert any("1 clips have no 'text'; it is empty for them: 'a.tar/x/3.mp4'" in note for note in shards.notes)
    with pytest.raises(ValueError, match=r"no caption column 'caption'; it has txt, .*style"):
        open_video_shards(path, caption_column="caption")


def test_dots_in_names_and_repeated_keys_lose_nothing(tmp_path, write_tar):
    path = write_tar(
        tmp_path / "a.tar",
        [
            ("my.clip.v1.mp4", b"1"),
            ("my.clip.v1.txt", "v1"),
            ("my.clip.v2.mp4", b"2"),
            ("my.clip.v2.txt", "v2"),
            ("7.left.mp4", b"l"),
            ("7.right.mp4", b"r"),
            ("7.txt", "both"),
            ("0.mp4", b"first"),
            ("0.txt", "first"),
            ("0.mp4", b"again"),
            ("0.txt", "again"),
        ],
    )
    assert sorted((contents, text) for _, contents, text in rows_of(path)) == sorted(
        [(b"1", "v1"), (b"2", "v2"), (b"l", "both"), (b"r", "both"), (b"first", "first"), (b"again", "again")]
    )


def test_names_are_only_names(tmp_path, write_tar):
    path = write_tar(tmp_path / "a.tar", {"../../x.mp4": b"1", "../../x.txt": "a", "/etc/passwd.mp4": b"2"})
    dataset = load_video_dataset(path)
    assert [row["video"]["bytes"] for row in dataset] == [b"1", b"2"]
    assert not (tmp_path.parent / "x.mp4").exists()


@pytest.mark.parametrize("cut", ["in a clip", "in a header", "a header is overwritten"])
def test_what_lies_before_the_damage_is_used(cut, tmp_path, write_tar):
    members: list = []
    for n in range(6):
        members += [(f"{n}.mp4", bytes([n]) * 700), (f"{n}.txt", f"t{n}")]
    path = write_tar(tmp_path / "a.tar", members)
    each = 512 + 1024 + 512 + 512  # header and padded contents of a clip and its text
    data = path.read_bytes()
    if cut == "a header is overwritten":
        data = data[: 3 * each] + b"\xff" * 512 + data[3 * each + 512 :]
    else:
        data = data[: 3 * each + (800 if cut == "in a clip" else 100)]
    path.write_bytes(data)
    shards = open_video_shards(path)
    assert [row["text"] for row in shards] == ["t0", "t1", "t2"]
    assert "a.tar is damaged or cut off at byte" in shards.notes[0]
    assert "3 clips before that are used" in shards.notes[0]


def test_captions_that_cannot_be_read_are_named(tmp_path, write_tar):
    path = write_tar(
        tmp_path / "a.tar",
        {"1.mp4": b"1", "1.txt": b"caf\xe9", "2.mp4": b"2", "2.json": "{", "3.mp4": b"3", "3.json": '{"text": "c"}'},
    )
    shards = open_video_shards(path)
    assert [row["text"] for row in shards] == ["caf\ufffd", "", "c"]
    notes = "\n".join(shards.notes)
    assert "1 clips have captions that are not UTF-8" in notes
    assert "1 clips have a .json that cannot be read: 'a.tar/2.mp4'" in notes


def test_a_tar_without_captions(tmp_path, write_tar):
    path = write_tar(tmp_path / "a.tar", {"1.mp4": b"1"})
    assert rows_of(path) == [("a.tar/1.mp4", b"1", "")]
    assert "no captions" in open_video_shards(path).notes[0]


def test_braces_lists_and_folders_name_the_same_tars(tmp_path, write_tar):
    for n in range(12):
        write_tar(tmp_path / "s" / f"{n:02d}.tar", {"1.mp4": str(n), "1.txt": str(n)})
    every = [row[0] for row in rows_of(tmp_path / "s")]
    assert every == [f"{n:02d}.tar/1.mp4" for n in range(12)]
    assert [row[0] for row in rows_of(str(tmp_path / "s" / "{00..11}.tar"))] == every
    assert [row[0] for row in rows_of([tmp_path / "s" / f"{n:02d}.tar" for n in range(12)])] == every


def test_errors_are_one_line(tmp_path, write_tar, write_parquet):
    (tmp_path / "a.tar").write_bytes(b"no tar" * 200)
    (tmp_path / "b.tar.gz").touch()
    (tmp_path / "c.mp3").touch()
    (tmp_path / "e.parquet").write_bytes(b"PAR1")
    write_tar(tmp_path / "d.tar", {"readme.txt": "x"})
    write_parquet(tmp_path / "f.parquet", [{"mp4": b"x", "caption": "a"}])
    write_parquet(tmp_path / "g.parquet", [{"thing": 1, "text": "a"}])
    write_parquet(tmp_path / "h.parquet", [{"mp4": b"x", "text": ["a", "b"]}])
    for source, complaint in [
        ("a.tar", "is not a tar that can be read"),
        ("b.tar.gz", "is compressed, .*unpack it to a plain .tar"),
        ("c.mp3", "is a file of no known kind; expected a folder"),
        ("d.tar", "hold no clips; expected members such as"),
        ("e.parquet", "is not a Parquet file that can be read"),
        ("f.parquet", "no caption column 'text'; it has mp4, caption: set data.caption_column"),
        ("g.parquet", "no column of clips; it has thing, text: set data.video_column"),
        ("h.parquet", "has lists in column 'text'; write a row for each"),
        ("nothing/*.tar", "matches no file"),
        ("nothing.parquet", "does not exist"),
    ]:
        with pytest.raises(ValueError, match=complaint) as caught:
            load_video_dataset(tmp_path / source)
        assert "\n" not in str(caught.value)
    with pytest.raises(ValueError, match="the list of sources is empty"):
        load_video_dataset([])


def test_paths_in_parquet_stay_in_its_folder(tmp_path, write_parquet):
    (tmp_path / "p").mkdir()
    (tmp_path / "p" / "in.mp4").write_bytes(b"in")
    (tmp_path / "out.mp4").write_bytes(b"out")
    paths = ["in.mp4", "../out.mp4", "/etc/passwd", str(tmp_path / "p" / "in.mp4")]
    path = write_parquet(tmp_path / "p" / "a.parquet", [{"video": name, "text": "x"} for name in paths])
    inside = str(tmp_path.resolve() / "p" / "in.mp4")
    assert [row["video"]["path"] for row in open_video_shards(path)] == [inside, None, None, inside]
    assert [row["file_name"] for row in open_video_shards(path)] == paths
