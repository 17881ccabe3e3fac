"""Filling a cache: by one process or several, interrupted, with items that fail."""

import multiprocessing
import os
import signal
import subprocess
import sys
import time

import pytest
import torch

from heygen_hf.data.cache.encoding_fill import fill_cache
from heygen_hf.data.cache.encoding_shard import _host
from heygen_hf.data.cache.encoding_store import EncodingCache

KEYS = [bytes([number, 7]) * 8 for number in range(40)]


def open_cache(folder) -> EncodingCache:
    return EncodingCache(folder, kind="latents", encoder_hash=b"e" * 16, settings={}, dtype=torch.bfloat16)


def encoder() -> torch.nn.Module:
    """A small real one, the same in every process."""
    layer = torch.nn.Conv3d(3, 4, kernel_size=3, padding=1)
    generator = torch.Generator().manual_seed(5)
    with torch.no_grad():
        for weight in layer.parameters():
            weight.copy_(torch.randn(weight.shape, generator=generator))
    return layer


def load_items(keys):
    return [torch.full((3, 2, 4, 4), key[0] / 10) for key in keys]


@torch.no_grad()
def encode(clips):
    # one at a time: a batch of another size may round differently, which is no matter of the cache's
    return [{"latents": encoder()(clip[None])[0].transpose(0, 1)} for clip in clips]


def fill(cache, keys=KEYS, *, load_items=load_items, encode=encode, batch_size=4, **options):
    return fill_cache(cache, keys, load_items, encode, batch_size=batch_size, progress=False, **options)


def contents(folder, keys=KEYS) -> list[bytes]:
    cache = open_cache(folder)
    assert cache.verify() == []
    return [cache.read(key)["latents"].view(torch.uint8).numpy().tobytes() for key in keys]


def test_what_is_missing_is_encoded_once_in_batches(tmp_path):
    cache, sizes = open_cache(tmp_path), []

    def counting(clips):
        sizes.append(len(clips))
        return encode(clips)

    report = fill(cache, KEYS[:10] * 2, encode=counting)
    assert sizes == [4, 4, 2]
    assert (report.num_keys, report.num_present, report.num_encoded, report.problems) == (10, 0, 10, [])
    assert report.num_bytes == cache.num_bytes > 0
    report = fill(cache, KEYS[:12], encode=counting)
    assert sum(sizes) == 12
    assert (report.num_keys, report.num_present, report.num_encoded) == (12, 10, 2)
    assert report.summary().startswith("2 of 12 encoded in ")
    expected = encode(load_items(KEYS[:1]))[0]["latents"].bfloat16()
    assert torch.equal(open_cache(tmp_path).read(KEYS[0])["latents"], expected)


def _fill_slowly(folder, process_index, num_processes, barrier, results) -> None:
    torch.set_num_threads(1)
    encoded = []

    def slow(clips):
        time.sleep(0.01)
        encoded.extend(clips)
        return encode(clips)

    barrier.wait(60)
    report = fill(open_cache(folder), encode=slow, process_index=process_index, num_processes=num_processes)
    results.put((len(encoded), report.num_encoded, report.num_by_others, open_cache(folder).missing(KEYS)))


@pytest.mark.parametrize("know_each_other", [True, False])
def test_several_processes_fill_together_and_give_what_one_gives(tmp_path, know_each_other):
    context = multiprocessing.get_context("fork")
    barrier, results = context.Barrier(3), context.Queue()
    ranks = [(0, 3), (1, 3), (2, 3)] if know_each_other else [(0, 1)] * 3
    racers = [context.Process(target=_fill_slowly, args=(tmp_path / "many", *rank, barrier, results)) for rank in ranks]
    for racer in racers:
        racer.start()
    said = [results.get(timeout=60) for _ in racers]
    for racer in racers:
        racer.join(60)
    assert sum(encoded for encoded, *_ in said) == len(KEYS)  # nothing twice
    assert all(own + others == len(KEYS) for _, own, others, _ in said)
    assert all(missing == [] for *_, missing in said)  # each returned when everything was there
    fill(open_cache(tmp_path / "one"))
    assert contents(tmp_path / "many") == contents(tmp_path / "one")


_ENDLESS_FILL = """
import sys, time
sys.path.insert(0, sys.argv[2])
import test_encoding_fill as own
def slow(clips):
    print(len(clips), flush=True)
    time.sleep(0.05)
    return own.encode(clips)
own.fill(own.open_cache(sys.argv[1]), encode=slow, batch_size=1, shard_mebibytes=float(sys.argv[3]))
"""


@pytest.mark.skipif(os.name != "posix", reason="there is no SIGKILL")
@pytest.mark.parametrize("shard_mebibytes", [0.0, 1.0])
def test_a_fill_that_is_killed_is_completed_by_the_next(tmp_path, shard_mebibytes):
    here = os.path.dirname(os.path.abspath(__file__))
    command = [sys.executable, "-c", _ENDLESS_FILL, tmp_path / "cut", here, str(shard_mebibytes)]
    child = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
    for _ in range(15):
        child.stdout.readline()
    child.send_signal(signal.SIGKILL)
    child.wait(30)
    child.stdout.close()
    cache = open_cache(tmp_path / "cut")
    assert cache.verify() == []
    left = cache.missing(KEYS)
    assert 0 < len(left) < len(KEYS)  # what was written before is kept
    half = cache.folder / f".shard-00.safetensors.{_host()}.{child.pid}.00000000.partial"
    half.write_bytes(b"half a shard")  # as a kill during the write leaves it
    report = fill(cache)
    assert report.num_encoded == len(left)
    assert not half.exists()
    fill(open_cache(tmp_path / "straight"))
    assert contents(tmp_path / "cut") == contents(tmp_path / "straight")


def test_a_process_takes_over_what_another_was_killed_with(tmp_path):
    here = os.path.dirname(os.path.abspath(__file__))
    child = subprocess.Popen(
        [sys.executable, "-c", _ENDLESS_FILL, tmp_path, here, "1"], stdout=subprocess.PIPE, text=True
    )
    child.stdout.readline()  # it has the lock of a chunk

    killed = []

    def kill_the_other(clips):
        if not killed:
            child.send_signal(signal.SIGKILL)
            child.wait(30)
            killed.append(True)
        return encode(clips)

    report = fill(open_cache(tmp_path), encode=kill_the_other, batch_size=1)
    child.stdout.close()
    assert killed
    assert report.num_encoded + report.num_by_others == len(KEYS)
    assert open_cache(tmp_path).missing(KEYS) == []


def test_items_that_fail_are_named_with_their_reason_and_the_others_kept(tmp_path):
    def fragile_load(keys):
        if KEYS[3] in keys:
            raise ValueError("cannot be decoded\nwith a traceback")
        return load_items(keys)

    def fragile(clips):
        if any(clip[0, 0, 0, 0] == 0.5 for clip in clips):
            raise RuntimeError("the encoder does not like it")
        encoded = encode(clips)
        for clip, encoding in zip(clips, encoded, strict=True):
            if clip[0, 0, 0, 0] == 0.7:
                encoding["latents"][0, 0, 0, 0] = float("inf")
        return encoded

    cache, said = open_cache(tmp_path), []
    names = {key: f"{number}.mp4" for number, key in enumerate(KEYS)}
    report = fill(
        *(cache, KEYS[:10]),
        load_items=fragile_load,
        encode=fragile,
        names=names,
        on_problem=lambda name, reason: said.append((name, reason)),
    )
    expected = [
        ("3.mp4", "cannot be decoded"),
        ("5.mp4", "the encoder does not like it"),
        ("7.mp4", "the encoder gave NaN or infinite values in 'latents'"),
    ]
    assert sorted(report.problems) == expected
    assert sorted(said) == expected
    assert "'3.mp4': cannot be decoded" in report.summary()
    assert report.num_encoded == 7
    assert set(cache.missing(KEYS[:10])) == {KEYS[3], KEYS[5], KEYS[7]}
    assert fill(cache, KEYS[:10]).num_encoded == 3  # mended


def test_an_encoder_that_always_fails_ends_the_fill(tmp_path):
    def broken(clips):
        raise RuntimeError("mat1 and mat2 shapes cannot be multiplied")

    with pytest.raises(ValueError, match="none of the first 16 items could be encoded, the last because: mat1 and"):
        fill(open_cache(tmp_path), encode=broken)
    with pytest.raises(ValueError, match="4 keys gave 4 items and 1 encodings; expected as many"):
        fill(open_cache(tmp_path), KEYS[:4], encode=lambda clips: encode(clips[:1]))


def test_memory_that_runs_out_is_no_fault_of_the_items(tmp_path):
    def greedy(clips):
        raise torch.OutOfMemoryError("out of memory")

    with pytest.raises(torch.OutOfMemoryError):
        fill(open_cache(tmp_path), encode=greedy)


def test_shards_are_cut_by_size(tmp_path):
    cache = open_cache(tmp_path)
    one = encode(load_items(KEYS[:1]))[0]["latents"].bfloat16().nbytes
    fill(cache, KEYS[:12], batch_size=12, shard_mebibytes=5 * one / 2**20)
    assert len(list(cache.folder.glob("shard-*"))) == 3
    assert open_cache(tmp_path).missing(KEYS[:12]) == []


def test_options_that_cannot_work_are_refused(tmp_path):
    with pytest.raises(ValueError, match="batch_size is 0; expected at least 1"):
        fill(open_cache(tmp_path), batch_size=0)
    with pytest.raises(ValueError, match="process_index is 2; expected 0 to 1"):
        fill(open_cache(tmp_path), process_index=2, num_processes=2)
