"""Latents and text embeddings of a recipe's clips, computed once for good: `heygen-hf data cache RECIPE`."""

import os
from dataclasses import asdict
from pathlib import Path

import torch

from heygen_hf.data.cache.encoding_fill import FillReport
from heygen_hf.data.cache.encoding_superseded import list_other_caches
from heygen_hf.processing import VideoProcessor
from heygen_hf.tasks.recipe import Recipe
from heygen_hf.tasks.text_to_video.encoded_data import EncodedData, encode_data
from heygen_hf.tasks.text_to_video.parts import TextToVideo


def cache(
    recipe: Recipe,
    *,
    verify: bool = False,
    delete_superseded: bool = False,
    task: type[TextToVideo] = TextToVideo,
) -> dict[str, list[tuple[str, FillReport]]]:
    """Encode what training and validation clips lack, and say what is there.

    Started in several processes (`torchrun`, `accelerate launch`), each takes part; killed, it goes on where it was.

    Args:
        verify: read every byte first; damaged shards are set aside and what they held is encoded anew.
        delete_superseded: delete caches of the same kinds beside these, which another encoder, other settings or
            another recipe made; without it they are named.
        task: what the video is generated from.

    Returns:
        Split → (kind, account) of each cache, this process's part.

    Raises:
        OSError: the disk is full or cannot be written; what is cached already stays valid.
        ValueError: the recipe names no encoder, or it cannot work.
    """
    parts = task(recipe)
    parts.check()
    encoders = parts.load_encoders()
    if not encoders:
        raise ValueError(
            "there is nothing to cache: this recipe trains on pixels and token ids; set model.autoencoder, "
            "model.text_encoder or both to a folder or Hub name"
        )
    process_index, num_processes = int(os.environ.get("RANK", "0")), int(os.environ.get("WORLD_SIZE", "1"))
    is_main = process_index == 0
    processor = VideoProcessor(**asdict(recipe.processor))
    data = parts.prepare(processor=processor, is_main=is_main)
    tokenizer = parts.build_tokenizer(data)
    assert tokenizer is not None  # encoders read captions
    encoders.to(_device())
    encoded = encode_data(recipe, data, encoders, processor=processor, tokenizer=tokenizer)
    if verify and is_main:
        _verify(encoded)

    reports = encoded.fill(
        batch_size=recipe.data.cache.batch_size,
        process_index=process_index,
        num_processes=num_processes,
        progress=is_main,
    )
    found = {split: list(zip(encoded.caches, accounts, strict=True)) for split, accounts in reports.items()}
    if is_main:
        _print_reports(found, encoded)
        _print_superseded(encoded, delete=delete_superseded)
    return found


def _device() -> torch.device:
    """This process's GPU, where there is one."""
    if torch.cuda.is_available():
        return torch.device("cuda", int(os.environ.get("LOCAL_RANK", "0")) % torch.cuda.device_count())
    return torch.accelerator.current_accelerator(check_available=True) or torch.device("cpu")


def _verify(encoded: EncodedData) -> None:
    for kind, cache in encoded.caches.items():
        problems = cache.verify()
        what = f"{len(problems)} damaged shards, set aside" if problems else f"all of {len(cache)} encodings are whole"
        print(f"{_named(kind)}: {what}")
        for problem in problems:
            print(f"    {problem}")


def _print_reports(found: dict[str, list[tuple[str, FillReport]]], encoded: EncodedData) -> None:
    for split, accounts in found.items():
        for kind, account in accounts:
            print(f"{split} {_named(kind)}: {account.summary()}")
    for kind, cache in encoded.caches.items():
        print(f"{_named(kind)} are in {cache.folder} ({len(cache)} encodings, {cache.num_bytes / 2**20:.1f} MiB)")


def _print_superseded(encoded: EncodedData, *, delete: bool) -> None:
    others = [other for cache in encoded.caches.values() for other in list_other_caches(cache)]
    for other in others:
        if delete:
            other.delete()
        print(f"{'deleted' if delete else 'not used by this recipe'}: {other.summary()}")
    if others and not delete:
        folder = Path(others[0].folder).parent
        print(f"other recipes may use them; delete all {len(others)} in {folder} with --delete-superseded")


def _named(kind: str) -> str:
    return kind.replace("_", " ")
