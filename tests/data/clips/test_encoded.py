"""Clips shown as latents and text embeddings: what is cached, and what is encoded on the fly."""

import pickle
import shutil
from pathlib import Path

import pytest
import torch

from heygen_hf.data import VideoAugmentation, load_video_dataset, prepare_clips
from heygen_hf.data.cache.encoding_key import hash_weights, latent_key, latent_settings
from heygen_hf.data.cache.encoding_store import EncodingCache
from heygen_hf.data.clips.encoded import EncodedClips
from heygen_hf.data.video import decode_frames
from heygen_hf.processing import VideoProcessor


class Clips:
    """The least that `EncodedClips` asks for, over real files and a real processor."""

    def __init__(self, paths, *, texts=None, seed=0, **fields) -> None:
        self.paths = [str(path) for path in paths]
        self.file_names = [Path(path).name for path in paths]
        self.texts = texts or [f"clip {Path(path).stem}" for path in paths]
        self.labels = {"digit": [Path(path).stem for path in paths]}
        self.processor = VideoProcessor(**{"num_frames": 5, "height": 16, "width": 16} | fields)
        self.fetched: list[tuple[int, int]] = []

    def __len__(self) -> int:
        return len(self.paths)

    def fetch(self, indices, *, epoch, seeds=None):
        items = []
        for index, seed in zip(indices, seeds or [None] * len(indices), strict=True):
            self.fetched.append((index, epoch))
            clip = decode_frames(self.paths[index], processor=self.processor)
            frames = self.processor.select_frames(clip.num_frames, clip.frame_rate, seed=seed).take(clip.frames)
            labels = {name: values[index] for name, values in self.labels.items()}
            frames = self.processor.crop(frames, seed=seed)
            items.append({"frames": frames, "text": self.texts[index], "index": index, **labels})
        return items


@pytest.fixture(scope="module")
def autoencoder():
    from diffusers import AutoencoderKLWan

    with torch.random.fork_rng():
        torch.manual_seed(0)
        model = AutoencoderKLWan(
            base_dim=4, z_dim=4, dim_mult=[1, 2], num_res_blocks=1, attn_scales=[], temperal_downsample=[True]
        )
    return model.eval().requires_grad_(False)


class EncodeClips:
    """Frames to the mean (and, if wanted, the spread) of a real autoencoder's latents, one clip at a time."""

    def __init__(self, autoencoder, processor, *, posterior=False) -> None:
        self.autoencoder, self.processor, self.posterior = autoencoder, processor, posterior
        self.num_encoded = 0

    def __call__(self, items):
        encodings = []
        for item in items:
            self.num_encoded += 1
            clip = self.processor.normalize(item["frames"])[None].transpose(1, 2)
            found = self.autoencoder.encode(clip).latent_dist
            encoding = {"latents": found.mean[0].transpose(0, 1)}
            if self.posterior:
                encoding["latents_logvar"] = found.logvar[0].transpose(0, 1)
            encodings.append(encoding)
        return encodings


def encode_texts(texts):
    """Captions of different lengths to as many different tokens."""
    return [{"text_embeddings": torch.tensor([[float(byte), len(text)] for byte in text.encode()])} for text in texts]


def latent_cache(folder, clips, autoencoder, *, seed=0) -> EncodingCache:
    return EncodingCache(
        folder,
        kind="latents",
        encoder_hash=hash_weights(autoencoder),
        settings=latent_settings(clips.processor, seed=seed),
    )


def text_cache(folder) -> EncodingCache:
    return EncodingCache(folder, kind="text_embeddings", encoder_hash=b"t" * 16, settings={"max_length": 32})


@pytest.fixture
def paths(clip_folder):
    return sorted(clip_folder(6, num_frames=9).glob("*.mp4"))


def test_items_hold_what_the_encoders_gave(paths, tmp_path, autoencoder):
    clips = Clips(paths)
    cache, texts = latent_cache(tmp_path / "cache", clips, autoencoder), text_cache(tmp_path / "cache")
    encode = EncodeClips(autoencoder, clips.processor)
    with pytest.raises(ValueError, match=r"6 latents are missing from .*: fill it with `heygen-hf data cache RECIPE`"):
        EncodedClips(clips, latents=cache)
    filling = EncodedClips(
        clips, latents=cache, text_embeddings=texts, encode_latents=encode, encode_texts=encode_texts
    )
    reports = filling.fill(batch_size=4, progress=False)
    assert [report.num_encoded for report in reports] == [6, 6]
    clips.fetched.clear()

    encoded = EncodedClips(clips, latents=cache, text_embeddings=texts)
    assert len(encoded) == 6
    loader = torch.utils.data.DataLoader(encoded, batch_size=2, num_workers=1, collate_fn=list)
    items = [item for batch in loader for item in batch]
    assert clips.fetched == []  # no clip was decoded again
    expected = encode(Clips(paths).fetch(range(6), epoch=0))
    for number, item in enumerate(items):
        assert item["latents"].shape == (3, 4, 8, 8)  # (frames, channels, height, width)
        assert torch.equal(item["latents"], expected[number]["latents"].bfloat16())
        assert item["text_embeddings"].shape == (len(item["text"]), 2)
        assert item["text_embeddings_mask"].all()
        assert (item["text"], item["digit"], item["index"]) == (f"clip {number}", str(number), number)
    assert torch.equal(encoded[-1]["latents"], items[5]["latents"])
    with pytest.raises(IndexError):
        encoded[6]
    assert torch.equal(pickle.loads(pickle.dumps(encoded))[2]["latents"], items[2]["latents"])


def test_the_same_content_under_another_name_and_in_another_order_is_there_already(paths, tmp_path, autoencoder):
    clips = Clips(paths)
    cache = latent_cache(tmp_path / "cache", clips, autoencoder)
    encode = EncodeClips(autoencoder, clips.processor)
    EncodedClips(clips, latents=cache, encode_latents=encode).fill(batch_size=4, progress=False)
    moved = tmp_path / "moved"
    moved.mkdir()
    for number, path in enumerate(reversed(paths)):
        shutil.copy(path, moved / f"other {number}.mp4")
    shutil.copy(paths[0], moved / "twice.mp4")
    others = EncodedClips(Clips(sorted(moved.glob("*.mp4"))), latents=cache)
    assert encode.num_encoded == 6
    assert torch.equal(others[0]["latents"], EncodedClips(clips, latents=cache)[5]["latents"])
    assert torch.equal(others[6]["latents"], others[5]["latents"])


@pytest.mark.parametrize("append", [True, False])
def test_what_is_missing_is_encoded_on_the_fly_to_the_values_a_full_cache_has(paths, tmp_path, autoencoder, append):
    clips = Clips(paths)
    full = latent_cache(tmp_path / "full", clips, autoencoder)
    encode = EncodeClips(autoencoder, clips.processor)
    EncodedClips(clips, latents=full, encode_latents=encode).fill(batch_size=4, progress=False)
    half = latent_cache(tmp_path / "half", clips, autoencoder)
    EncodedClips(Clips(paths[:3]), latents=half, encode_latents=encode).fill(batch_size=4, progress=False)

    encode.num_encoded = 0
    mixed = EncodedClips(
        *(clips,),
        latents=half,
        text_embeddings=text_cache(tmp_path / "half"),
        encode_latents=encode,
        encode_texts=encode_texts,
        append=append,
    )
    for item, other in zip(mixed.fetch(range(6), epoch=0), EncodedClips(clips, latents=full), strict=True):
        assert torch.equal(item["latents"], other["latents"])
        assert "frames" not in item
        assert item["text_embeddings"].dtype == torch.bfloat16
    assert encode.num_encoded == 3
    mixed.fetch(range(6), epoch=1)
    assert encode.num_encoded == (3 if append else 6)
    assert len(latent_cache(tmp_path / "half", clips, autoencoder)) == (6 if append else 3)


def test_a_full_disk_while_appending_does_not_end_the_training(paths, tmp_path, autoencoder, monkeypatch, caplog):
    clips = Clips(paths[:2])
    cache = latent_cache(tmp_path / "cache", clips, autoencoder)
    encode = EncodeClips(autoencoder, clips.processor)
    mixed = EncodedClips(clips, latents=cache, encode_latents=encode, append=True)

    def full(*args):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("heygen_hf.data.cache.encoding_shard.os.fsync", full)
    assert mixed[0]["latents"].isfinite().all()
    assert mixed[1]["latents"].isfinite().all()
    assert caplog.text.count("nothing more is added to the cache: the disk of") == 1


def test_what_could_not_be_encoded_can_be_left_out_and_is_named(paths, tmp_path, autoencoder):
    clips = Clips(paths)
    cache = latent_cache(tmp_path / "cache", clips, autoencoder)
    good = EncodeClips(autoencoder, clips.processor)

    def encode(items):
        encodings = good(items)
        for item, encoding in zip(items, encodings, strict=True):
            if item["index"] == 2:
                encoding["latents"] = encoding["latents"] * float("nan")
        return encodings

    (report,) = EncodedClips(clips, latents=cache, encode_latents=encode).fill(batch_size=4, progress=False)
    assert report.problems == [("2.mp4", "the encoder gave NaN or infinite values in 'latents'")]
    with pytest.raises(ValueError, match="1 latents are missing"):
        EncodedClips(clips, latents=cache)
    rest = EncodedClips(clips, latents=cache, missing="leave_out")
    assert rest.left_out == [("2.mp4", "its latents are not cached")]
    assert [item["text"] for item in rest] == ["clip 0", "clip 1", "clip 3", "clip 4", "clip 5"]
    assert rest.file_names == [path.name for path in paths if path.name != "2.mp4"]
    assert [item["index"] for item in rest] == [0, 1, 2, 3, 4]
    with pytest.raises(ValueError, match="nothing of the 6 clips is cached"):
        EncodedClips(clips, latents=latent_cache(tmp_path / "none", clips, autoencoder), missing="leave_out")


def test_variants_are_drawn_by_content_and_shown_by_epoch(paths, tmp_path, autoencoder):
    clips = Clips(paths, frame_position="random", num_frames=1)
    encode = EncodeClips(autoencoder, clips.processor)
    caches = [latent_cache(tmp_path / name, clips, autoencoder) for name in ("one", "two")]
    backwards = Clips(paths[::-1], frame_position="random", num_frames=1)
    options = {"encode_latents": encode, "variants_per_clip": 3}
    EncodedClips(clips, latents=caches[0], **options).fill(batch_size=4, progress=False)
    EncodedClips(backwards, latents=caches[1], **options).fill(batch_size=4, progress=False)
    assert set(caches[0].keys()) == set(caches[1].keys())
    assert len(caches[0]) == 18
    for key in sorted(caches[0].keys()):
        assert torch.equal(caches[0].read(key)["latents"], caches[1].read(key)["latents"])

    encoded = EncodedClips(clips, latents=caches[0], variants_per_clip=3)
    epochs = []
    for epoch in range(4):
        encoded.set_epoch(epoch)
        epochs.append(torch.stack([item["latents"] for item in encoded]))
    assert torch.equal(epochs[0], epochs[3])
    assert not torch.equal(epochs[0], epochs[1])
    assert not torch.equal(epochs[1], epochs[2])

    more = EncodedClips(clips, latents=caches[0], encode_latents=encode, variants_per_clip=4)
    assert more.fill(batch_size=4, progress=False)[0].num_encoded == 6  # only what is new

    class OldClips(Clips):
        def fetch(self, indices, *, epoch):
            return super().fetch(indices, epoch=epoch)

    with pytest.raises(ValueError, match=r"variants_per_clip is 3; .* whose fetch takes seeds \(OldClips's does not\)"):
        EncodedClips(OldClips(paths), latents=caches[0], variants_per_clip=3)


def test_samples_of_a_distribution_depend_on_seed_epoch_and_index_alone(paths, tmp_path, autoencoder):
    clips = Clips(paths)
    cache = latent_cache(tmp_path / "cache", clips, autoencoder)
    encode = EncodeClips(autoencoder, clips.processor, posterior=True)
    EncodedClips(clips, latents=cache, encode_latents=encode).fill(batch_size=4, progress=False)
    key = next(iter(cache.keys()))
    assert set(cache.read(key)) == {"latents", "latents_logvar"}
    mode = EncodedClips(clips, latents=cache)
    sample, again, other = (EncodedClips(clips, latents=cache, posterior="sample", seed=seed) for seed in (1, 1, 2))
    drawn = sample.fetch([3], epoch=2)[0]["latents"]
    assert torch.equal(drawn, again.fetch([1, 3], epoch=2)[1]["latents"])
    for different in (mode.fetch([3], epoch=2), other.fetch([3], epoch=2), sample.fetch([3], epoch=1)):
        assert not torch.equal(drawn, different[0]["latents"])
    assert torch.allclose(mode[0]["latents"].float(), sample[0]["latents"].float(), atol=8.0)

    plain = latent_cache(tmp_path / "plain", clips, autoencoder)
    without = EncodedClips(
        clips, latents=plain, encode_latents=EncodeClips(autoencoder, clips.processor), posterior="sample"
    )
    with pytest.raises(ValueError, match="posterior is 'sample' and the latents have no 'latents_logvar'"):
        without[0]


def test_text_embeddings_alone_leave_the_frames(paths, tmp_path):
    clips = Clips(paths, texts=["a", "bb", "a", "dd", "e", "f"])
    cache = text_cache(tmp_path / "cache")
    filling = EncodedClips(clips, text_embeddings=cache, encode_texts=encode_texts)
    assert filling.fill(batch_size=4, progress=False)[0].num_encoded == 5  # each caption once
    item = EncodedClips(clips, text_embeddings=cache)[2]
    assert item["frames"].shape == (5, 3, 16, 16)
    assert torch.equal(item["text_embeddings"], torch.tensor([[97, 1]]).bfloat16())


def test_a_file_that_can_no_longer_be_read_is_never_cached_as_another(paths, tmp_path, autoencoder):
    class Substituting(Clips):
        """Shows clip 1 in the place of clip 0, as a data set does whose file broke."""

        def fetch(self, indices, *, epoch, seeds=None):
            items = super().fetch([index or 1 for index in indices], epoch=epoch, seeds=seeds)
            said = {"problems": [("0.mp4", "the file does not exist")]}
            return [item if index else item | said for index, item in zip(indices, items, strict=True)]

    clips = Substituting(paths[:3])
    cache = latent_cache(tmp_path / "cache", clips, autoencoder)
    encode = EncodeClips(autoencoder, clips.processor)
    mixed = EncodedClips(clips, latents=cache, encode_latents=encode, append=True)
    item = mixed[0]
    assert (item["text"], item["problems"], item["index"]) == ("clip 1", [("0.mp4", "the file does not exist")], 0)
    assert torch.equal(item["latents"], mixed[1]["latents"])
    assert len(cache) == 1
    (report,) = mixed.fill(batch_size=2, progress=False)
    assert report.problems == [("0.mp4", "'0.mp4' can no longer be read: the file does not exist")]
    assert len(cache) == 2


def test_sizes_of_their_own_are_in_the_keys(paths, tmp_path, autoencoder):
    class Sized(Clips):
        def processor_of(self, index):
            return VideoProcessor(num_frames=5, height=16, width=8 * (1 + index % 2))

    clips = Sized(paths[:2])
    hashes = [b"a" * 16, b"b" * 16]
    cache = latent_cache(tmp_path / "cache", clips, autoencoder)
    cache.write({latent_key(hashes[0], size=(5, 16, 8)): {"latents": torch.zeros(2, 4, 8, 4)}})
    with pytest.raises(ValueError, match="1 latents are missing"):
        EncodedClips(clips, latents=cache, content_hashes=hashes)
    cache.write({latent_key(hashes[1], size=(5, 16, 16)): {"latents": torch.zeros(2, 4, 8, 8)}})
    encoded = EncodedClips(clips, latents=cache, content_hashes=hashes)
    assert [tuple(item["latents"].shape) for item in encoded] == [(2, 4, 8, 4), (2, 4, 8, 8)]


def test_what_cannot_work_is_refused(paths, tmp_path, autoencoder):
    clips = Clips(paths)
    cache = latent_cache(tmp_path / "cache", clips, autoencoder)
    with pytest.raises(ValueError, match="got no cache; give latents, text_embeddings, or both"):
        EncodedClips(clips)
    with pytest.raises(ValueError, match="text_embeddings is a cache of latents"):
        EncodedClips(clips, text_embeddings=cache, encode_texts=encode_texts)
    with pytest.raises(ValueError, match="content_hashes has 1 entries for 6 clips"):
        EncodedClips(clips, latents=cache, content_hashes=[b"a" * 16])
    paths[1].unlink()
    with pytest.raises(ValueError, match=r"1 clips cannot be read \('1.mp4': the file does not exist\)"):
        EncodedClips(clips, latents=cache)


def test_prepared_clips_of_several_sizes_with_random_frames(paths, tmp_path, autoencoder):
    def prepare(**options):
        return prepare_clips(
            load_video_dataset(paths[0].parent),
            processor=VideoProcessor(num_frames=5, height=16, width=16, frame_position="random"),
            seed=0,
            cache_dir=tmp_path / "cache",
            progress=False,
            **options,
        )[0]

    clips = prepare(augmentation=VideoAugmentation(horizontal_flip_prob=0.5))
    cache = EncodingCache(
        tmp_path / "cache",
        kind="latents",
        encoder_hash=hash_weights(autoencoder),
        settings=latent_settings(clips.buckets.processors[0], seed=0, with_size=False),
    )
    encode = EncodeClips(autoencoder, clips.buckets.processors[0])
    options = {"encode_latents": encode, "variants_per_clip": 2}
    with pytest.raises(ValueError, match=r"these are augmented; pass clips.without_augmentation\(\)"):
        EncodedClips(clips, latents=cache, **options)
    filling = EncodedClips(clips.without_augmentation(), latents=cache, **options)
    assert filling.fill(batch_size=4, progress=False)[0].num_encoded == 12
    encoded = EncodedClips(clips.without_augmentation(), latents=cache, variants_per_clip=2)
    assert encoded.bucket_of_row.tolist() == [0] * 6
    shown = [[item["latents"] for item in encoded.fetch(range(6), epoch=epoch)] for epoch in (0, 1, 2)]
    assert all(torch.equal(first, third) for first, third in zip(shown[0], shown[2], strict=True))
    assert not all(torch.equal(first, second) for first, second in zip(*shown[:2], strict=True))
