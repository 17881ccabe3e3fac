"""The frame store: what it holds, when it is reused, and that it is whole or not there at all."""

import multiprocessing
import os
import pickle
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest
import torch

from heygen_hf.data import BucketSet, FrameStore, open_frame_store, write_video
from heygen_hf.data.cache.clip_decoding import decode_for_store
from heygen_hf.data.cache.frame_store import StoredClip
from heygen_hf.processing import VideoProcessor

PROCESSOR = {"num_frames": 4, "height": 16, "width": 16}


def paths_of(folder: Path) -> list[str]:
    return [str(path) for path in sorted(folder.glob("*.mp4"))]


def open_store(
    folder: Path, cache: Path, *, max_clip_mebibytes: float = 32.0, decode_time_limit_seconds: float = 60.0, **fields
):
    return open_frame_store(
        paths_of(folder),
        buckets=BucketSet.of_processor(VideoProcessor(**PROCESSOR | fields)),
        cache_dir=cache,
        max_clip_mebibytes=max_clip_mebibytes,
        decode_time_limit_seconds=decode_time_limit_seconds,
        progress=False,
    )


def pixels_of(store: FrameStore, clip: StoredClip) -> torch.Tensor:
    assert clip.offset is not None
    return store.read([clip.offset], clip.shape)[0]


def test_a_fixed_position_stores_what_is_drawn_and_a_random_one_everything(clip_folder, random_frames, tmp_path):
    folder = clip_folder(3)
    store, clips, _ = open_store(folder, tmp_path / "cache", frame_position="center")
    for number, clip in enumerate(clips):
        assert torch.equal(pixels_of(store, clip), random_frames(8, seed=number)[2:6])
    store, clips, _ = open_store(folder, tmp_path / "cache", frame_position="random")
    for number, clip in enumerate(clips):
        assert torch.equal(pixels_of(store, clip), random_frames(8, seed=number))
        assert (clip.total_frames, clip.frame_rate) == (8, 8.0)


def test_a_random_crop_is_stored_scaled_but_not_cropped(clip_folder, tmp_path):
    folder = clip_folder(1, height=16, width=40)
    _, clips, _ = open_store(folder, tmp_path / "cache", crop_position="random", height=8, width=8)
    assert clips[0].shape == (4, 3, 8, 20)


def test_a_store_is_reused_and_never_stale(clip_folder, random_frames, tmp_path):
    folder, cache = clip_folder(3), tmp_path / "cache"
    first, _, reused = open_store(folder, cache)
    assert not reused
    stamp = os.stat(first.folder / "frames.bin").st_mtime_ns
    again, _, reused = open_store(folder, cache)
    assert reused
    assert again.folder == first.folder
    assert os.stat(again.folder / "frames.bin").st_mtime_ns == stamp

    before = os.stat(folder / "1.mp4")
    write_video(folder / "1.mp4", random_frames(8, seed=77), lossless=True)
    os.utime(folder / "1.mp4", ns=(before.st_atime_ns, before.st_mtime_ns))  # its date tells nothing
    changed, clips, reused = open_store(folder, cache)
    assert not reused
    assert torch.equal(pixels_of(changed, clips[1]), random_frames(8, seed=77)[:4])
    assert torch.equal(pixels_of(changed, clips[2]), random_frames(8, seed=2)[:4])

    os.rename(folder / "1.mp4", folder / "9.mp4")
    assert open_store(folder, cache)[2]  # another name is the same content
    assert not open_store(folder, cache, height=8, width=8)[2]


def test_a_larger_set_takes_over_what_is_decoded_already(clip_folder, random_frames, tmp_path, monkeypatch):
    folder, cache = clip_folder(3), tmp_path / "cache"
    open_store(folder, cache)
    write_video(folder / "3.mp4", random_frames(8, seed=3), lossless=True)
    decoded = tmp_path / "decoded"

    def counting(path, **options):  # in another process
        with decoded.open("a") as log:
            log.write(Path(path).name)
        return decode_for_store(path, **options)

    monkeypatch.setattr("heygen_hf.data.cache.frame_store_building.decode_for_store", counting)
    store, clips, _ = open_store(folder, cache)
    assert decoded.read_text() == "3.mp4"
    for number, clip in enumerate(clips):
        assert torch.equal(pixels_of(store, clip), random_frames(8, seed=number)[:4])


def test_copies_share_their_pixels_and_refused_paths_have_their_reason(clip_folder, tmp_path):
    folder = clip_folder(1)
    (folder / "copy.mp4").write_bytes((folder / "0.mp4").read_bytes())
    processor = VideoProcessor(**PROCESSOR)
    paths = [*paths_of(folder), None, str(folder / "gone.mp4"), str(folder)]
    store, clips, _ = open_frame_store(
        paths, buckets=BucketSet.of_processor(processor), cache_dir=tmp_path / "cache", progress=False
    )
    assert len(store) == 1
    assert clips[0] == clips[1]
    assert [clip.problem for clip in clips[2:]] == [
        "its row names no file, or its path leaves the data folder, which is refused",
        "the file does not exist",
        "it is a folder, not a file",
    ]


def test_long_clips_are_not_held_unless_the_same_frames_are_always_drawn(clip_folder, random_frames, tmp_path):
    folder = clip_folder(1, num_frames=40)
    limit = 39 * 3 * 16 * 16 / 2**20
    _, clips, _ = open_store(folder, tmp_path / "cache", frame_position="random", max_clip_mebibytes=limit)
    assert clips[0] == StoredClip(offset=None, total_frames=40, frame_rate=8.0, source_size=(16, 16))
    store, clips, _ = open_store(folder, tmp_path / "cache", frame_position="uniform", max_clip_mebibytes=limit)
    assert torch.equal(pixels_of(store, clips[0]), random_frames(40)[[0, 13, 26, 39]])


def test_an_interrupted_build_leaves_nothing_that_looks_finished(clip_folder, tmp_path, monkeypatch):
    folder, cache = clip_folder(3), tmp_path / "cache"

    def full_disk(*args, **options):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("heygen_hf.data.cache.frame_store_building.write_index", full_disk)
    with pytest.raises(OSError, match=r"the disk of .*cache is full .*; free space, or set another cache_dir"):
        open_store(folder, cache)
    assert not [entry for entry in cache.iterdir() if entry.is_dir()]
    monkeypatch.undo()
    # as if a process had been killed: its partial folder is there
    store = open_store(folder, cache)[0]
    settings = store.folder.name.rsplit("-", 1)[0]
    (cache / f".{settings}-0000.partial").mkdir()
    (folder / "2.mp4").unlink()
    open_store(folder, cache)
    assert not list(cache.glob(".*.partial"))


@pytest.mark.parametrize("damage", ["shorter", "no index", "garbage index"])
def test_a_damaged_store_is_built_again(clip_folder, random_frames, tmp_path, damage):
    folder, cache = clip_folder(2), tmp_path / "cache"
    store = open_store(folder, cache)[0]
    if damage == "shorter":
        os.truncate(store.folder / "frames.bin", 100)
    elif damage == "no index":
        (store.folder / "index.safetensors").unlink()
    else:
        (store.folder / "index.safetensors").write_bytes(b"\xff" * 64)
    with pytest.raises(ValueError, match="is damaged"):
        FrameStore(store.folder)
    rebuilt, clips, reused = open_store(folder, cache)
    assert not reused
    assert torch.equal(pixels_of(rebuilt, clips[1]), random_frames(8, seed=1)[:4])


def _race(folder: Path, cache: Path, barrier, results) -> None:
    torch.set_num_threads(1)
    barrier.wait(60)
    store, _, reused = open_store(folder, cache)
    results.put((reused, store.folder.name, int(store.pixels.astype("int64").sum())))


def test_of_three_processes_one_builds_and_all_read_the_same(clip_folder, tmp_path):
    folder = clip_folder(20)
    context = multiprocessing.get_context("fork")
    barrier, results = context.Barrier(3), context.Queue()
    racers = [context.Process(target=_race, args=(folder, tmp_path / "cache", barrier, results)) for _ in range(3)]
    for racer in racers:
        racer.start()
    said = [results.get(timeout=60) for _ in racers]
    for racer in racers:
        racer.join(60)
    assert sorted(reused for reused, *_ in said) == [False, True, True]
    assert len({(name, total) for _, name, total in said}) == 1
    assert len(list((tmp_path / "cache").glob("frames-*"))) == 1


def _first_pixels(pickled: bytes) -> list[int]:
    store: FrameStore = pickle.loads(pickled)
    return store.pixels[:8].tolist()


def test_a_store_pickles_small_and_opens_in_another_process(clip_folder, tmp_path):
    store, clips, _ = open_store(clip_folder(2), tmp_path / "cache")
    store.read([0], clips[0].shape)  # mapped here already
    pickled = pickle.dumps(store)
    assert len(pickled) < 1000
    with multiprocessing.get_context("fork").Pool(1) as pool:
        assert pool.apply(_first_pixels, (pickled,)) == store.pixels[:8].tolist()


def test_pixels_cannot_be_changed_by_mistake(clip_folder, tmp_path):
    store, clips, _ = open_store(clip_folder(1), tmp_path / "cache")
    assert isinstance(store.pixels, np.memmap)
    with pytest.raises(ValueError, match="read-only"):
        store.pixels[0] = 1
    copy = pixels_of(store, clips[0])
    copy.zero_()  # a copy, so this is fine
    assert pixels_of(store, clips[0]).any()


def test_a_disk_that_really_fills_up_is_named_and_leaves_nothing(clip_folder, tmp_path):
    folder = clip_folder(4, height=64, width=64)
    script = (
        "import resource, signal, sys\n"
        "from heygen_hf.data import load_video_dataset, prepare_clips\n"
        "from heygen_hf.processing import VideoProcessor\n"
        "signal.signal(signal.SIGXFSZ, signal.SIG_IGN)\n"
        "resource.setrlimit(resource.RLIMIT_FSIZE, (100_000, 100_000))\n"
        "processor = VideoProcessor(num_frames=8, height=64, width=64)\n"
        "try:\n"
        "    prepare_clips(load_video_dataset(sys.argv[1]), processor=processor, seed=0, cache_dir=sys.argv[2])\n"
        "except OSError as error:\n"
        "    print(error)\n"
    )
    command = [sys.executable, "-c", script, str(folder), str(tmp_path / "cache")]
    said = subprocess.run(command, capture_output=True, text=True, check=True).stdout
    assert "is full (File too large); free space, or set another cache_dir" in said
    assert not [path for path in (tmp_path / "cache").iterdir() if path.name.startswith("frames-")]


def hang_unless_patient(video, **options):
    if Path(video).name == "1.mp4":
        time.sleep(0.5)
    return decode_for_store(video, **options)


def test_a_decoder_that_was_too_slow_is_tried_again_with_more_time(clip_folder, tmp_path, monkeypatch):
    folder, cache = clip_folder(3), tmp_path / "cache"
    monkeypatch.setattr("heygen_hf.data.cache.frame_store_building.decode_for_store", hang_unless_patient)
    _, clips, _ = open_store(folder, cache, decode_time_limit_seconds=0.2)
    assert "did not finish within 0.2 seconds; a longer data.decode_time_limit_seconds" in clips[1].problem
    assert clips[0].problem is None
    assert open_store(folder, cache, decode_time_limit_seconds=0.2)[2]  # reused, not tried again
    store, clips, reused = open_store(folder, cache, decode_time_limit_seconds=20)
    assert not reused
    assert [clip.problem for clip in clips] == [None] * 3
    assert len(list(cache.glob("frames-*"))) == 1
    assert pixels_of(store, clips[1]).shape[0] == 4
