"""The cache of encodings: what names it, what it gives back, and what it does with what is not its own."""

import errno
import json
import logging
import os
import pickle
import subprocess
import sys

import pytest
import torch
from safetensors.torch import save_file

from heygen_hf.data.cache.encoding_key import hash_weights, latent_key, latent_settings, text_key
from heygen_hf.data.cache.encoding_shard import _host
from heygen_hf.data.cache.encoding_statistics import latent_statistics
from heygen_hf.data.cache.encoding_store import EncodingCache
from heygen_hf.data.cache.encoding_superseded import list_other_caches
from heygen_hf.processing import VideoProcessor

KEYS = [latent_key(bytes([number]) * 16) for number in range(8)]


def open_cache(folder, *, weights=None, settings=None, dtype=torch.float32, kind="latents"):
    encoder = torch.nn.Linear(2, 2) if weights is None else weights
    if weights is None:
        torch.nn.init.ones_(encoder.weight)
        torch.nn.init.zeros_(encoder.bias)
    return EncodingCache(
        folder, kind=kind, encoder_hash=hash_weights(encoder), settings=settings or {"height": 16}, dtype=dtype
    )


def latents_of(number, dtype=torch.float32, shape=(2, 4, 3, 3)):
    return torch.randn(shape, generator=torch.Generator().manual_seed(number)).to(dtype)


def fill(cache, keys=KEYS):
    cache.write({key: {"latents": latents_of(number, cache.dtype)} for number, key in enumerate(keys)})


@pytest.mark.parametrize("dtype", [torch.float32, torch.float16, torch.bfloat16])
def test_tensors_come_back_bit_for_bit(tmp_path, dtype):
    cache = open_cache(tmp_path, dtype=dtype)
    mask = torch.tensor([True, False])
    cache.write({KEYS[0]: {"latents": latents_of(0, dtype), "seen": mask}})
    cache.write({KEYS[1]: {"latents": latents_of(1, dtype)[:, :, ::2], "seen": mask}})  # not contiguous
    for reader in (cache, open_cache(tmp_path, dtype=dtype), pickle.loads(pickle.dumps(cache))):
        assert set(reader.keys()) == set(KEYS[:2])
        found = reader.read(KEYS[0])
        assert found["latents"].dtype == dtype
        assert torch.equal(found["latents"].view(torch.uint8), latents_of(0, dtype).view(torch.uint8))
        assert torch.equal(found["seen"], mask)
        assert torch.equal(reader.read(KEYS[1])["latents"], latents_of(1, dtype)[:, :, ::2])


def test_what_is_read_may_be_changed_without_changing_the_cache(tmp_path):
    cache = open_cache(tmp_path)
    fill(cache)
    cache.read(KEYS[0])["latents"].zero_()
    assert torch.equal(cache.read(KEYS[0])["latents"], latents_of(0))


def test_a_weight_the_settings_and_the_dtype_each_name_another_cache(tmp_path):
    fill(open_cache(tmp_path))
    assert not open_cache(tmp_path).missing(KEYS)
    changed = torch.nn.Linear(2, 2)
    torch.nn.init.ones_(changed.weight)
    torch.nn.init.zeros_(changed.bias)
    changed.bias.data[1] = 1e-7
    for other in ({"weights": changed}, {"settings": {"height": 32}}, {"dtype": torch.bfloat16}):
        assert open_cache(tmp_path, **other).missing(KEYS) == KEYS
    assert open_cache(tmp_path, kind="text_embeddings").missing(KEYS) == KEYS
    assert not open_cache(tmp_path).missing(KEYS)  # and the old one is as it was


def test_the_hash_of_weights_sees_names_types_shapes_and_bytes_but_no_order():
    weights = {"a": torch.arange(6.0), "b": torch.tensor(2), "none": torch.zeros(0)}
    known = hash_weights(weights)
    assert hash_weights(dict(reversed(weights.items()))) == known
    others = [
        {**weights, "b": torch.tensor(3)},
        {**weights, "b": torch.tensor(2, dtype=torch.int32)},
        {**weights, "a": torch.arange(6.0).view(2, 3)},
        {"a2": weights["a"], "b": weights["b"], "none": weights["none"]},
        {"a": weights["a"], "b": weights["b"]},
    ]
    assert len({known, *map(hash_weights, others)}) == 6

    module = torch.nn.BatchNorm1d(3)
    assert hash_weights(module) == hash_weights(module.state_dict())
    module.running_mean[0] = 1.0  # a buffer decides outputs as well
    assert hash_weights(module) != hash_weights(torch.nn.BatchNorm1d(3))
    module.register_buffer("unsaved", torch.ones(1), persistent=False)
    assert hash_weights(module) != hash_weights(module.state_dict())
    assert hash_weights(torch.nn.Linear(2, 2).bfloat16())  # numpy has no such type
    with pytest.raises(ValueError, match=r"'weight' holds no data yet \(device 'meta'\)"):
        hash_weights(torch.nn.Linear(2, 2, bias=False, device="meta"))
    with pytest.raises(ValueError, match="has no weights"):
        hash_weights(torch.nn.ReLU())


def test_keys_and_settings_hold_what_decides_the_values():
    keys = {latent_key(b"a" * 16), latent_key(b"a" * 16, 1), latent_key(b"b" * 16)}
    keys |= {latent_key(b"a" * 16, size=(4, 8, 16)), latent_key(b"a" * 16, size=(4, 16, 8))}
    assert len(keys | {text_key("a cat"), text_key("a cat "), text_key("\udcff")}) == 8

    fixed = VideoProcessor(num_frames=4, height=16, width=16)
    assert latent_settings(fixed, seed=1) == latent_settings(fixed, seed=2)
    random = VideoProcessor(num_frames=4, height=16, width=16, frame_position="random")
    assert latent_settings(random, seed=1) != latent_settings(random, seed=2)
    assert latent_settings(fixed, seed=1) != latent_settings(VideoProcessor(num_frames=4, height=16, width=8), seed=1)
    wide = VideoProcessor(num_frames=4, height=16, width=8)
    assert latent_settings(fixed, seed=1, with_size=False) == latent_settings(wide, seed=1, with_size=False)


@pytest.mark.parametrize("damage", ["shorter", "garbage", "no longer ours"])
def test_a_shard_that_cannot_be_used_is_named_and_missing_and_can_be_filled_again(tmp_path, caplog, damage):
    cache = open_cache(tmp_path)
    shard = cache.write({KEYS[0]: {"latents": latents_of(0)}})
    cache.write({KEYS[1]: {"latents": latents_of(1)}})
    if damage == "shorter":
        os.truncate(shard, shard.stat().st_size - 4)
    elif damage == "garbage":
        shard.write_bytes(b"\xff" * 64)
    else:
        save_file({f"{KEYS[0].hex()}/latents": latents_of(5)}, shard, metadata={"cache": "0123456789abcdef"})
    with caplog.at_level(logging.WARNING):
        again = open_cache(tmp_path)
    assert f"1 shards in {cache.folder} cannot be used" in caplog.text
    assert shard.name in caplog.text
    assert again.missing(KEYS[:2]) == [KEYS[0]]
    again.write({KEYS[0]: {"latents": latents_of(0)}})
    assert torch.equal(open_cache(tmp_path).read(KEYS[0])["latents"], latents_of(0))


def test_verify_finds_a_single_changed_byte_and_sets_the_shard_aside(tmp_path):
    cache = open_cache(tmp_path)
    shard = cache.write({KEYS[0]: {"latents": latents_of(0)}})
    cache.write({KEYS[1]: {"latents": latents_of(1)}})
    assert cache.verify() == []
    with open(shard, "r+b") as file:
        file.seek(-1, os.SEEK_END)
        last = file.read(1)[0]
        file.seek(-1, os.SEEK_END)
        file.write(bytes([last ^ 1]))
    assert open_cache(tmp_path).missing(KEYS[:2]) == []  # its header is whole
    assert cache.verify() == [f"{shard.name}: its bytes are not those that were written"]
    assert cache.missing(KEYS[:2]) == [KEYS[0]]
    assert shard.with_name(shard.name + ".damaged").exists()
    assert cache.verify() == []


def test_caches_of_other_encoders_settings_and_versions_are_listed_and_kept_until_asked(tmp_path, caplog):
    cache = open_cache(tmp_path)
    fill(cache)
    fill(open_cache(tmp_path, settings={"height": 32, "width": 8}))
    fill(open_cache(tmp_path, weights=torch.nn.Linear(3, 3), dtype=torch.float16))
    old = tmp_path / "latents-0000000000000000"
    old.mkdir()
    (old / "cache.json").write_text(json.dumps({**cache.description, "format": 0}))
    strange = tmp_path / "latents-strange"
    strange.mkdir()
    (tmp_path / "text_embeddings-1").mkdir()
    others = {other.folder.name: other for other in list_other_caches(cache)}
    assert {other.difference for other in others.values()} == {
        "other settings ('height', 'width')",
        "another encoder and dtype float16",
        "version 0 of the format (this one writes 1)",
        "a description that cannot be read",
    }
    assert all(other.folder.exists() for other in others.values())
    others[old.name].delete()
    assert not old.exists()
    assert len(list_other_caches(cache)) == 3

    # a folder under our name that says it is something else: nothing of it is taken for ours
    (cache.folder / "cache.json").write_text(json.dumps({**cache.description, "format": 7}))
    with caplog.at_level(logging.WARNING):
        again = open_cache(tmp_path)
    assert "is damaged or of another version; writing it anew" in caplog.text
    assert json.loads((again.folder / "cache.json").read_text()) == cache.description


@pytest.mark.parametrize(
    ("encoding", "message"),
    [
        ({"latents": torch.tensor(float("nan")).expand(1, 1, 1, 1)}, "the encoder gave NaN or infinite values in 'lat"),
        ({"latents": torch.full((1, 1, 1, 1), 1e6)}, "the encoder gave NaN or infinite values in float16 in 'latents'"),
        (
            {"latents": torch.zeros(1, 1, 1)},
            r"gave shape \(1, 1, 1\); expected a tensor 'latents' \(frames, ",
        ),
        ({"sample": torch.zeros(1, 1, 1, 1)}, "gave only sample; expected a tensor 'latents'"),
    ],
)
def test_what_is_not_fit_to_be_stored_is_refused(tmp_path, encoding, message):
    cache = open_cache(tmp_path, dtype=torch.float16)
    with pytest.raises(ValueError, match=message):
        cache.write({KEYS[0]: {"latents": latents_of(0)}, KEYS[1]: encoding})
    assert open_cache(tmp_path, dtype=torch.float16).missing(KEYS[:2]) == KEYS[:2]


def test_settings_that_cannot_name_a_cache_are_refused(tmp_path):
    with pytest.raises(ValueError, match="must be JSON"):
        open_cache(tmp_path, settings={"scale": float("nan")})
    with pytest.raises(ValueError, match="kind is 'audio'; expected one of latents, text_embeddings"):
        open_cache(tmp_path, kind="audio")


_WRITE_UNTIL_FULL = """
import sys, torch
from heygen_hf.data.cache.encoding_store import EncodingCache
cache = EncodingCache(sys.argv[1], kind="latents", encoder_hash=b"e" * 16, settings={}, dtype=torch.float32)
if sys.argv[2] == "limit":
    import resource
    resource.setrlimit(resource.RLIMIT_FSIZE, (30_000, 30_000))
for number in range(100):
    size = 32 * (number % 10 + 1)
    print(number, flush=True)
    cache.write({bytes([number]) * 16: {"latents": torch.full((1, 1, 32, size), float(number))}})
"""


@pytest.mark.parametrize("how", ["limit", "full disk"])
def test_a_full_disk_is_one_clear_line_and_the_cache_stays_valid(tmp_path, how):
    folder = tmp_path / "cache"
    folder.mkdir()
    if how == "full disk":
        mounted = subprocess.run(["mount", "-t", "tmpfs", "-o", "size=200k", "tmpfs", folder], capture_output=True)
        if mounted.returncode:
            pytest.skip("only root can mount a small disk; the other case needs none")
    try:
        command = [sys.executable, "-c", _WRITE_UNTIL_FULL, folder, how]
        run = subprocess.run(command, capture_output=True, text=True, timeout=120)
        assert run.returncode == 1
        last = run.stderr.strip().splitlines()[-1]
        assert f"the disk of {folder} is full" in last
        assert "free space, or set another cache_dir: what is cached already stays valid" in last
        failed_at = int(run.stdout.split()[-1])
        cache = EncodingCache(folder, kind="latents", encoder_hash=b"e" * 16, settings={}, dtype=torch.float32)
        assert len(cache) == failed_at > 0
        assert cache.verify() == []
        assert not list(cache.folder.glob(".*.partial"))
        assert cache.read(bytes([failed_at - 1]) * 16)["latents"].eq(failed_at - 1).all()
    finally:
        if how == "full disk":
            subprocess.run(["umount", "--lazy", folder], check=False)


@pytest.mark.parametrize("number", [errno.EACCES, errno.EROFS])
def test_a_folder_that_cannot_be_written_is_one_clear_line(tmp_path, monkeypatch, number):
    cache = open_cache(tmp_path)

    def refuse(*args):
        raise OSError(number, os.strerror(number))

    monkeypatch.setattr("heygen_hf.data.cache.encoding_shard.os.replace", refuse)
    with pytest.raises(OSError, match=r"cannot be written \(.*\); set another cache_dir"):
        fill(cache)
    assert not list(cache.folder.glob(".*.partial"))
    assert cache.missing(KEYS) == KEYS


def test_what_is_left_by_writers_that_are_gone_is_removed_and_by_living_ones_kept(tmp_path):
    cache = open_cache(tmp_path)
    gone = subprocess.Popen([sys.executable, "-c", ""])
    gone.wait()
    dead = cache.folder / f".shard-00.safetensors.{_host()}.{gone.pid}.abcdef12.partial"
    alive = cache.folder / f".shard-00.safetensors.{_host()}.{os.getpid()}.abcdef12.partial"
    elsewhere = cache.folder / ".shard-00.safetensors.another-host.1.abcdef12.partial"
    silent = cache.folder / ".shard-01.safetensors.another-host.1.abcdef12.partial"
    for path in (dead, alive, elsewhere, silent):
        path.write_bytes(b"half")
    os.utime(silent, (0, 0))
    assert cache.remove_abandoned() == 2
    assert set(cache.folder.glob(".*.partial")) == {alive, elsewhere}


def test_statistics_are_those_of_all_values_together(tmp_path):
    cache = open_cache(tmp_path)
    shapes = [(2, 4, 3, 3), (1, 4, 5, 2), (3, 4, 2, 2)]
    latents = [latents_of(number, shape=shape) * 3 + 1000 for number, shape in enumerate(shapes)]
    cache.write(
        {
            key: {"latents": each, "latents_logvar": torch.zeros_like(each)}
            for key, each in zip(KEYS, latents, strict=False)
        }
    )
    together = torch.cat([each.double().movedim(1, 0).flatten(1) for each in latents], dim=1)
    mean, std = latent_statistics(cache)
    assert torch.allclose(mean, together.mean(1))
    assert torch.allclose(std, together.std(1, correction=0))
    sampled = latent_statistics(cache, sampled=True)[1]
    assert torch.allclose(sampled, (together.var(1, correction=0) + 1).sqrt())
    assert torch.allclose(latent_statistics(cache, KEYS[:1])[0], latents[0].double().mean((0, 2, 3)))
    with pytest.raises(ValueError, match="holds no latents"):
        latent_statistics(open_cache(tmp_path, settings={"height": 1}))


def test_more_shards_than_are_held_open(tmp_path, monkeypatch):
    monkeypatch.setattr("heygen_hf.data.cache.encoding_store._MAX_OPEN_SHARDS", 2)
    cache = open_cache(tmp_path)
    for number, key in enumerate(KEYS):
        cache.write({key: {"latents": latents_of(number)}})
    for number, key in [*enumerate(KEYS), *enumerate(KEYS)]:
        assert torch.equal(cache.read(key)["latents"], latents_of(number))
    assert len(cache._handles) == 2
    with pytest.raises(KeyError):
        cache.read(b"nothing")
