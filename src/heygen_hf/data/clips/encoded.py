"""Clips as the latents and text embeddings that a cache holds of them."""

import inspect
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Literal

import numpy as np
import torch
from torch.utils.data import Dataset

from heygen_hf.data.cache.encoding_fill import FillReport, fill_cache
from heygen_hf.data.cache.encoding_key import latent_key, text_key
from heygen_hf.data.cache.encoding_on_the_fly import CachedEncoder
from heygen_hf.data.cache.encoding_shard import Encoding
from heygen_hf.data.cache.encoding_store import EncodingCache
from heygen_hf.data.clips.clip_source import ClipSource, Item, hash_contents
from heygen_hf.data.clips.dataset import VideoClipDataset
from heygen_hf.processing import fold_seed

EncodeClips = Callable[[Sequence[Item]], Sequence[Mapping[str, torch.Tensor]]]
EncodeTexts = Callable[[Sequence[str]], Sequence[Mapping[str, torch.Tensor]]]

_POSTERIOR_STREAM = 5  # keeps these draws apart from those of frames and crops
_NOT_KEPT = {"frames", "audio", "control"}  # of an item that is encoded on the fly, as those from the cache lack it


class EncodedClips(Dataset):
    """A data set of clips that shows latents in place of frames, text embeddings beside captions, or both.

    Items are dictionaries: `latents` `(frames, channels, height, width)` (or `frames` as in `clips`, without a cache of
    latents); `text_embeddings` `(tokens, width)` with a boolean `text_embeddings_mask` `(tokens,)`; `text`; `index`;
    and each label column as a string. Whatever else the encoders gave is there under its own name.

    What the caches lack is encoded on the fly by the callables given, to the same values as if it had been cached.
    They run where the item is made: in a worker of a loader, an encoder belongs on the CPU.

    Args:
        clips: gives frames, captions and labels.
        latents: cache of latents; None to show frames.
        text_embeddings: cache of text embeddings; None to do without.
        encode_latents: from items with `frames` to `{"latents": ...}` each, `{"latents": mean, "latents_logvar": ...}`
            for encoders that give a distribution.
        encode_texts: from captions to `{"text_embeddings": ..., "text_embeddings_mask": ...}` each.
        append: add to the caches what had to be encoded on the fly.
        variants_per_clip: with random frames or crops, epoch e shows variant `e % variants_per_clip` of a clip, which
            is drawn from (seed, variant, content) whatever row the clip is in.
        seed: of the variants, and of samples of a distribution.
        posterior: "mode" shows the mean of a distribution, "sample" draws from it by (seed, epoch, index).
        normalization: shift and scale of each latent channel, `(channels,)`: latents are shown as float32
            `(latents - shift) / scale`. None shows them as cached.
        missing: without a callable, what is not cached is an "error", or its clip is "leave_out" (see `left_out`).
        content_hashes: of the files, where they are known already; None reads the files.

    Attributes:
        left_out: `(file_name, reason)` of each clip that is left out.

    Raises:
        ValueError: something is missing that cannot be encoded, a file cannot be read, or an option cannot work.
    """

    def __init__(
        self,
        clips: ClipSource,
        *,
        latents: EncodingCache | None = None,
        text_embeddings: EncodingCache | None = None,
        encode_latents: EncodeClips | None = None,
        encode_texts: EncodeTexts | None = None,
        append: bool = False,
        variants_per_clip: int = 1,
        seed: int = 0,
        posterior: Literal["mode", "sample"] = "mode",
        normalization: tuple[torch.Tensor, torch.Tensor] | None = None,
        missing: Literal["error", "leave_out"] = "error",
        content_hashes: Sequence[bytes] | None = None,
    ) -> None:
        self._takes_seeds = "seeds" in inspect.signature(clips.fetch).parameters
        if variants_per_clip < 1 or (variants_per_clip > 1 and not self._takes_seeds):
            raise ValueError(
                f"variants_per_clip is {variants_per_clip}; expected at least 1, and above 1 a data set whose fetch "
                f"takes seeds ({type(clips).__name__}'s does{'' if self._takes_seeds else ' not'})"
            )
        if latents is not None and getattr(getattr(clips, "options", None), "augmentation", None) is not None:
            raise ValueError(
                "latents are cached of clips as they are, and these are augmented; pass clips.without_augmentation()"
            )
        self.clips, self.variants_per_clip, self.seed, self.posterior = clips, variants_per_clip, seed, posterior
        self.normalization = normalization
        self._latents = _with_encoder("latents", latents, encode_latents, append=append)
        self._texts = _with_encoder("text_embeddings", text_embeddings, encode_texts, append=append)
        if self._latents is None and self._texts is None:
            raise ValueError("EncodedClips got no cache; give latents, text_embeddings, or both")
        self._contents = hash_contents(clips, content_hashes) if latents is not None else []
        self.left_out: list[tuple[str, str]] = []
        self._rows = self._choose_rows(leave_out=missing == "leave_out")
        rows = self._rows.tolist()
        self.paths, self.file_names = [clips.paths[row] for row in rows], [clips.file_names[row] for row in rows]
        self.texts = [clips.texts[row] for row in rows]
        self.labels = {name: [values[row] for row in rows] for name, values in clips.labels.items()}
        sized: Any = clips
        if hasattr(sized, "bucket_of_row"):  # for a sampler that batches by size
            self.buckets, self.bucket_of_row = sized.buckets, sized.bucket_of_row[self._rows]
        # in shared memory, so that workers that outlive an epoch see it change
        self._epoch = torch.zeros((), dtype=torch.int64).share_memory_()

    def _choose_rows(self, *, leave_out: bool) -> np.ndarray:
        gaps: dict[int, str] = {}
        for source, keys_of in ((self._latents, self._latent_keys), (self._texts, self._text_keys)):
            if source is None or source.encode is not None:
                continue
            absent = set(source.cache.missing(key for row in range(len(self.clips)) for key in keys_of(row)))
            if absent and not leave_out:
                raise ValueError(source.describe_missing(len(absent)))
            for row in range(len(self.clips)):
                if absent.intersection(keys_of(row)):
                    gaps[row] = f"its {source.cache.kind.replace('_', ' ')} are not cached"
        if len(gaps) == len(self.clips):
            raise ValueError(f"nothing of the {len(self.clips)} clips is cached; fill the cache first")
        self.left_out = [(self.clips.file_names[row], reason) for row, reason in sorted(gaps.items())]
        return np.array([row for row in range(len(self.clips)) if row not in gaps], dtype=np.int64)

    def _latent_key(self, row: int, variant: int) -> bytes:
        size = None
        if hasattr(self.clips, "processor_of"):
            processor = self.clips.processor_of(row)
            size = (processor.num_frames, processor.height, processor.width)
        return latent_key(self._contents[row], variant, size=size)

    def _latent_keys(self, row: int) -> list[bytes]:
        return [self._latent_key(row, variant) for variant in range(self.variants_per_clip)]

    def _text_keys(self, row: int) -> list[bytes]:
        return [text_key(self.clips.texts[row])]

    def set_epoch(self, epoch: int) -> None:
        """Choose the epoch whose variants the items show."""
        self._epoch.fill_(epoch)

    @property
    def epoch(self) -> int:
        return int(self._epoch)

    def __len__(self) -> int:
        return len(self._rows)

    def __getitem__(self, index: int) -> Item:
        if not -len(self) <= index < len(self):
            raise IndexError(f"item {index} of a data set of {len(self)}")
        return self.__getitems__([index % len(self)])[0]

    def __getitems__(self, indices: Sequence[int]) -> list[Item]:
        """A whole batch at once, so that what is missing of it is encoded as one."""
        return self.fetch(indices, epoch=self.epoch)

    def fetch(self, indices: Sequence[int], *, epoch: int) -> list[Item]:
        """Items as a certain epoch shows them, whichever `set_epoch` chose."""
        rows = [int(self._rows[index]) for index in indices]
        if self._latents is None:
            items = [dict(item) for item in self.clips.fetch(rows, epoch=epoch)]
        else:
            items = self._with_latents(self._latents, rows, indices, epoch=epoch)
        if self._texts is not None:
            self._add_text_embeddings(self._texts, items)
        for item, index in zip(items, indices, strict=True):
            item["index"] = int(index)
        return items

    def _with_latents(
        self, source: CachedEncoder, rows: Sequence[int], indices: Sequence[int], *, epoch: int
    ) -> list[Item]:
        variant = epoch % self.variants_per_clip
        keys = [self._latent_key(row, variant) for row in rows]
        row_of = dict(zip(keys, rows, strict=True))
        stand_ins: dict[bytes, Item] = {}  # other clips in the place of files that can no longer be read

        def load(absent: Sequence[bytes]) -> list[Item]:
            loaded = [self._frames(row_of[key], variant) for key in absent]
            stand_ins.update({key: item for key, item in zip(absent, loaded, strict=True) if item.get("problems")})
            return loaded

        encodings = source.read(keys, load, never_append=stand_ins)
        items = []
        for row, index, key, encoding in zip(rows, indices, keys, encodings, strict=True):
            item: Item = {"text": self.clips.texts[row], **{name: of[row] for name, of in self.clips.labels.items()}}
            if isinstance(self.clips, VideoClipDataset) and self.clips.sounds is not None:
                item["audio_features"] = self.clips.audio_features(row, seed=self._frames_seed(row, variant))
            item |= {name: value for name, value in stand_ins.get(key, {}).items() if name not in _NOT_KEPT}
            further = {name: value for name, value in encoding.items() if name not in ("latents", "latents_logvar")}
            latents = self._normalized(self._draw(encoding, epoch=epoch, index=int(index)))
            items.append(item | further | {"latents": latents})
        return items

    def _frames(self, row: int, variant: int) -> Item:
        if not self._takes_seeds:
            return self.clips.fetch([row], epoch=0)[0]
        return self.clips.fetch([row], epoch=0, seeds=[self._frames_seed(row, variant)])[0]  # type: ignore[call-arg]

    def _frames_seed(self, row: int, variant: int) -> int:
        """What decides the frames and the crop of a variant."""
        return fold_seed(self.seed, variant, int.from_bytes(self._contents[row]))

    def _draw(self, encoding: Encoding, *, epoch: int, index: int) -> torch.Tensor:
        latents = encoding["latents"]
        if self.posterior == "mode":
            return latents
        if "latents_logvar" not in encoding:
            raise ValueError("posterior is 'sample' and the latents have no 'latents_logvar'; use 'mode'")
        generator = torch.Generator().manual_seed(fold_seed(self.seed, epoch, index, _POSTERIOR_STREAM) >> 1)
        noise = torch.randn(latents.shape, generator=generator)
        return (latents.float() + (0.5 * encoding["latents_logvar"].float()).exp() * noise).to(latents.dtype)

    def _normalized(self, latents: torch.Tensor) -> torch.Tensor:
        if self.normalization is None:
            return latents
        shift, scale = (value.view(-1, 1, 1) for value in self.normalization)
        return (latents.float() - shift) / scale

    def _add_text_embeddings(self, source: CachedEncoder, items: Sequence[Item]) -> None:
        # of the item, not of the row: a data set may change a caption, as where it flips the clip
        text_of = {text_key(item["text"]): item["text"] for item in items}
        keys = [text_key(item["text"]) for item in items]
        encodings = source.read(keys, lambda absent: [text_of[key] for key in absent])
        for item, encoding in zip(items, encodings, strict=True):
            embeddings = encoding["text_embeddings"]
            item["text_embeddings"] = embeddings
            everything = torch.ones(embeddings.shape[0], dtype=torch.bool)
            item["text_embeddings_mask"] = encoding.get("text_embeddings_mask", everything).bool()
            item.update({name: value for name, value in encoding.items() if name not in item})

    def missing(self) -> dict[str, int]:
        """How many encodings each cache lacks, by its kind."""
        return {
            source.cache.kind: len(source.cache.missing(key for row in range(len(self.clips)) for key in keys_of(row)))
            for source, keys_of in ((self._latents, self._latent_keys), (self._texts, self._text_keys))
            if source is not None
        }

    def latent_keys(self) -> list[bytes]:
        """The keys of the first variant of each clip, by which statistics are taken."""
        return [self._latent_key(int(row), 0) for row in self._rows]

    def drop_encoders(self) -> None:
        """Let go of the callables; what is not cached is then an error."""
        for source in (self._latents, self._texts):
            if source is not None:
                source.encode = None

    def fill(self, *, batch_size: int, **options: Any) -> list[FillReport]:
        """Encode everything the caches lack with the callables given; the options are those of `fill_cache`.

        Returns:
            The account of each cache that has a callable: latents, then text embeddings.
        """
        reports = []
        if self._latents is not None and self._latents.encode is not None:
            reports.append(self.fill_latents(batch_size=batch_size, **options))
        if self._texts is not None and self._texts.encode is not None:
            text_of = {text_key(text): text for text in self.clips.texts}
            reports.append(
                fill_cache(
                    *(self._texts.cache, list(text_of), lambda keys: [text_of[key] for key in keys]),
                    self._texts.encode,
                    names=text_of,
                    batch_size=batch_size,
                    **options,
                )
            )
        return reports

    def fill_latents(self, keys: Sequence[bytes] | None = None, *, batch_size: int, **options: Any) -> FillReport:
        """Encode the latents that are missing, of certain keys or of all clips.

        Raises:
            ValueError: there is no callable to encode them with.
        """
        if self._latents is None or self._latents.encode is None:
            raise ValueError("these clips have no encoder of latents; give encode_latents with the cache")
        variants = range(self.variants_per_clip)
        place = {
            self._latent_key(row, variant): (row, variant) for row in range(len(self.clips)) for variant in variants
        }

        def load(some: Sequence[bytes]) -> list[Item]:
            items = [self._frames(*place[key]) for key in some]
            for item in items:
                for name, reason in item.get("problems", [])[:1]:  # the item is another clip's
                    raise ValueError(f"{name!r} can no longer be read: {reason}")
            return items

        return fill_cache(
            *(self._latents.cache, list(place) if keys is None else keys, load, self._latents.encode),
            names={key: self.clips.file_names[row] for key, (row, _) in place.items()},
            batch_size=batch_size,
            **options,
        )


def _with_encoder(
    kind: str, cache: EncodingCache | None, encode: Callable | None, *, append: bool
) -> CachedEncoder | None:
    if cache is None:
        return None
    if cache.kind != kind:
        raise ValueError(f"{kind} is a cache of {cache.kind}; expected one of {kind}")
    return CachedEncoder(cache, encode, append=append)
