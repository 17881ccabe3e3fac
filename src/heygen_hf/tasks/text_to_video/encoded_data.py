"""The clips of a recipe as its encoders see them: from the cache, and encoded on the fly where it lacks something."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import torch
from transformers import PreTrainedTokenizerBase

from heygen_hf.data import VideoTextCollator
from heygen_hf.data.buckets import BucketSet
from heygen_hf.data.cache.encoding_fill import FillReport
from heygen_hf.data.cache.encoding_statistics import latent_statistics
from heygen_hf.data.cache.encoding_store import EncodingCache
from heygen_hf.data.clips import EncodedClips, VideoClipDataset
from heygen_hf.pipelines.latents import record_normalization
from heygen_hf.processing import VideoProcessor
from heygen_hf.tasks.clip_data import PreparedData, default_cache_dir
from heygen_hf.tasks.recipe import Recipe
from heygen_hf.tasks.text_to_video.encoders import Encoders, open_caches

_MEASURED_CLIPS = 2048  # more change the mean and the spread of a channel by nothing that matters
_LOOKED_AT_CLIPS, _ODD_SPREAD = 64, 2.5


@dataclass(frozen=True)
class EncodedData:
    """What there is to cache.

    Attributes:
        caches: kind → cache.
        splits: "train" and, where there are any, "validation" and the clips beside, by their names.
    """

    caches: dict[str, EncodingCache]
    splits: dict[str, EncodedClips]

    def fill(self, *, batch_size: int, **options: Any) -> dict[str, list[FillReport]]:
        """Encode everything that is missing; the options are those of `fill_cache`. Split → an account of each cache.

        Raises:
            ValueError: memory does not hold a batch, or nothing can be encoded.
        """
        try:
            return {split: clips.fill(batch_size=batch_size, **options) for split, clips in self.splits.items()}
        except torch.OutOfMemoryError as error:
            raise ValueError(
                f"memory does not hold {batch_size} clips at once while encoding: lower data.cache.batch_size"
            ) from error

    def missing(self) -> int:
        """Encodings that no cache holds yet."""
        return sum(number for clips in self.splits.values() for number in clips.missing().values())


def encode_data(
    recipe: Recipe,
    data: PreparedData,
    encoders: Encoders,
    *,
    processor: VideoProcessor,
    tokenizer: PreTrainedTokenizerBase,
) -> EncodedData:
    """Training and validation clips in front of their caches, what is missing encoded on the fly and added.

    Raises:
        OSError: the cache cannot be written.
        ValueError: a file cannot be read any more.
    """
    options = recipe.data.cache
    folder = recipe.data.cache_dir or default_cache_dir()
    caches = open_caches(recipe, encoders, cache_dir=folder, processor=processor, tokenizer=tokenizer)
    callables: dict[str, Any] = {}
    if encoders.autoencoder is not None:
        callables["encode_latents"] = encoders.encode_frames(processor, with_spread=options.posterior == "sample")
    if encoders.text_encoder is not None:
        callables["encode_texts"] = encoders.encode_captions(tokenizer)
    clips = {"train": data.train, "validation": data.validation, **{some.name: some.clips for some in data.beside}}
    splits = {
        split: EncodedClips(
            some,
            **caches,
            **callables,
            append=True,
            # validation shows the same in every epoch
            variants_per_clip=1 if split == "validation" else options.variants_per_clip,
            posterior="mode" if split == "validation" else options.posterior,
            seed=recipe.seed,
            content_hashes=some.contents,
        )
        for split, some in clips.items()
        if isinstance(some, VideoClipDataset)
    }
    if encoders.geometry is not None:
        for some in splits.values():
            # batches are made by the sizes of latents, of which the transformer counts the tokens
            sizes = [encoders.geometry.latent_bucket(size) for size in some.buckets.buckets]
            some.buckets = BucketSet(processor, sizes, upscale=True)
    return EncodedData(caches, splits)


def training_data(
    recipe: Recipe,
    data: PreparedData,
    encoders: Encoders,
    *,
    processor: VideoProcessor,
    tokenizer: PreTrainedTokenizerBase,
    device: torch.device,
    process_index: int = 0,
    num_processes: int = 1,
    fill_first: bool = False,
) -> PreparedData:
    """The data that the trainer draws from: `data` itself without encoders, else its clips as encodings.

    Encoders of something that is missing are moved to the device, or stay on the CPU where `data.num_workers` asks for
    workers, which then encode. Where nothing is missing, the clips let go of them. An autoencoder that does not know
    its latents' mean and spread is given those of the training clips.

    Args:
        fill_first: encode what is missing before training, all processes together, with the encoders on the device;
            behind it they are on the CPU, for a transformer that would not fit beside them.

    Raises:
        ValueError: with `fill_first`, memory does not hold a batch, or something cannot be encoded.
    """
    if not encoders:
        return data
    encoded = encode_data(recipe, data, encoders, processor=processor, tokenizer=tokenizer)
    is_main = process_index == 0
    missing = encoded.missing()
    if missing and fill_first:
        _fill_first(recipe, encoded, encoders, device, process_index=process_index, num_processes=num_processes)
        missing = 0
    # latents that are all there need no decoding, for which alone there would be workers
    latents = encoders.autoencoder is not None
    num_workers = data.num_workers if not latents else recipe.data.num_workers or 0
    if not (missing and num_workers) and not fill_first:
        # the text encoder, often the largest, waits on the CPU where it is only asked for samples
        (encoders if missing else encoders.without_text_encoder()).to(device)
    if missing and is_main:
        print(
            f"{missing} encodings are not cached and are made while training; make them once before it with: "
            f"heygen-hf data cache {recipe.path}"
        )
    if latents:
        _normalize(recipe, encoded, encoders, process_index=process_index, num_processes=num_processes)
    if not encoded.missing():
        for clips in encoded.splits.values():
            clips.drop_encoders()
    beside = tuple(replace(some, clips=encoded.splits[some.name]) for some in data.beside)
    return replace(
        data,
        train=encoded.splits.get("train", data.train),
        validation=encoded.splits.get("validation"),
        beside=beside,
        num_workers=num_workers,
    )


def _fill_first(
    recipe: Recipe,
    encoded: EncodedData,
    encoders: Encoders,
    device: torch.device,
    *,
    process_index: int,
    num_processes: int,
) -> None:
    """Encode all that is missing, this process's share of it, and leave the encoders on the CPU."""
    if process_index == 0:
        print(f"{encoded.missing()} encodings are not cached: they are made once, before training")
    shares = {"process_index": process_index, "num_processes": num_processes, "progress": process_index == 0}
    try:
        encoders.to(device)
        reports = encoded.fill(batch_size=recipe.data.cache.batch_size, **shares)
    finally:
        encoders.to("cpu")
    # all processes ask the cache, so that none goes on alone
    if missing := encoded.missing():
        problems = [problem for accounts in reports.values() for account in accounts for problem in account.problems]
        which = f", as {problems[0][0]!r}: {problems[0][1]}" if problems else ""
        raise ValueError(
            f"{missing} clips or captions cannot be encoded{which}; mend them, or take them out of the data"
        )


def _normalize(
    recipe: Recipe, encoded: EncodedData, encoders: Encoders, *, process_index: int, num_processes: int
) -> None:
    """Bring latents to the scale that a transformer is trained on, the same that the pipeline undoes."""
    assert encoders.autoencoder is not None
    assert encoders.geometry is not None
    channels, options = encoders.geometry.channels, recipe.data.cache
    if encoders.normalization(channels) is None:
        clips = encoded.splits["train"]
        keys = sorted(set(clips.latent_keys()))
        if len(keys) > _MEASURED_CLIPS:
            keys = [keys[i * len(keys) // _MEASURED_CLIPS] for i in range(_MEASURED_CLIPS)]
        clips.fill_latents(
            keys,
            batch_size=options.batch_size,
            process_index=process_index,
            num_processes=num_processes,
            progress=process_index == 0,
        )
        mean, std = latent_statistics(encoded.caches["latents"], keys, sampled=options.posterior == "sample")
        record_normalization(encoders.autoencoder, mean, std)
        if process_index == 0:
            print(
                f"mean and spread of the latents, which the autoencoder lacks, measured on {len(keys)} training clips"
            )
    for clips in encoded.splits.values():
        clips.normalization = encoders.normalization(channels)
    if process_index == 0:
        _warn_of_odd_spread(encoded)


def _warn_of_odd_spread(encoded: EncodedData) -> None:
    """Say so where latents are far from the scale of the noise: a model trained on them would learn badly.

    The usual reason is an autoencoder of one's own whose class has the mean and the spread of a published one as its
    defaults, as `AutoencoderKLWan` has.
    """
    clips, cache = encoded.splits["train"], encoded.caches["latents"]
    present = [key for key in clips.latent_keys() if key in cache][:_LOOKED_AT_CLIPS]
    if not present or clips.normalization is None:
        return
    shift, scale = clips.normalization
    mean, std = latent_statistics(cache, present)
    spread = (((mean - shift).square() + std.square()) / scale.square()).mean().sqrt().item()
    if not 1 / _ODD_SPREAD < spread < _ODD_SPREAD:
        print(
            f"warning: normalised latents have a spread of {spread:.3g}, and about 1 is expected: latents_mean and "
            "latents_std (or scaling_factor) in the autoencoder's config.json are not its own; set them to null, and "
            "they are measured"
        )


class EncodedCaptions:
    """A collator whose encoded captions, where there are any, have the names and the dtype that the model takes."""

    def __init__(self, collate: VideoTextCollator) -> None:
        self.collate = collate

    def __call__(self, items: Sequence[Mapping[str, Any]]) -> dict[str, torch.Tensor]:
        batch = self.collate(items)
        if "encoder_hidden_states" in batch:
            batch["encoder_hidden_states"] = batch["encoder_hidden_states"].float()
            batch["attention_mask"] = batch.pop("encoder_attention_mask")
        return batch
