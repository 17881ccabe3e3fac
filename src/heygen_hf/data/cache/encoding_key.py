"""What an encoding depends on, as hashes: the content, the encoder's weights, the settings and the dtype."""

import hashlib
import json
from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Any, Literal

import torch
from torch import nn

from heygen_hf.data.cache.content_hash import HASH_BYTES

if TYPE_CHECKING:
    from heygen_hf.processing import VideoProcessor

EncodingKind = Literal["latents", "text_embeddings"]

FORMAT_VERSION = 1  # raise it when folders of an older version can no longer be read

_BLOCK_ELEMENTS = 2**24  # of a large weight, so much is brought to the CPU at a time


def hash_weights(module_or_state_dict: "nn.Module | Mapping[str, torch.Tensor]") -> bytes:
    """16 bytes that depend on every parameter and buffer: name, dtype, shape and bytes, in any order of names.

    Buffers that are not saved count too, because they take part in what a module computes. Options in a config (a
    scaling factor, a skipped layer) are no weights: name them in the settings of the cache.

    Args:
        module_or_state_dict: an encoder, or its tensors by name. A plain `state_dict()` lacks the buffers that are not
            saved, and of a module that has such buffers it is another hash.

    Raises:
        ValueError: it has no tensors, or some hold no data (on the "meta" device).
    """
    tensors = dict(_named_tensors(module_or_state_dict))
    if not tensors:
        raise ValueError("the encoder has no weights to name it by; expected a module with parameters, or its tensors")
    digest = hashlib.blake2b(digest_size=HASH_BYTES)
    for name in sorted(tensors):
        tensor = tensors[name].detach()
        if tensor.is_meta:
            raise ValueError(f"the encoder's weight {name!r} holds no data yet (device 'meta'); load it first")
        digest.update(json.dumps([name, str(tensor.dtype), list(tensor.shape)]).encode())
        flat = tensor.reshape(-1)
        for start in range(0, flat.numel(), _BLOCK_ELEMENTS):
            block = flat[start : start + _BLOCK_ELEMENTS].cpu().contiguous()
            digest.update(block.view(torch.uint8).numpy().data)
    return digest.digest()


def _named_tensors(source: "nn.Module | Mapping[str, torch.Tensor]") -> Iterator[tuple[str, torch.Tensor]]:
    if isinstance(source, nn.Module):
        yield from source.named_parameters(remove_duplicate=False)
        yield from source.named_buffers(remove_duplicate=False)
        return
    for name, tensor in source.items():
        if not isinstance(tensor, torch.Tensor):
            raise ValueError(f"the encoder's weight {name!r} is a {type(tensor).__name__}; expected a tensor")
        yield name, tensor


def describe_cache(
    kind: EncodingKind, *, encoder_hash: bytes, settings: Mapping[str, Any], dtype: torch.dtype
) -> dict[str, Any]:
    """What a cache depends on, as it stands in its `cache.json`.

    Raises:
        ValueError: the settings are not JSON.
    """
    try:
        plain = json.loads(json.dumps(dict(settings), sort_keys=True, allow_nan=False))
    except (TypeError, ValueError) as error:
        raise ValueError(f"the settings of a cache must be JSON, as they name it: {error}") from error
    return {
        "format": FORMAT_VERSION,
        "kind": kind,
        "encoder_hash": encoder_hash.hex(),
        "dtype": str(dtype).removeprefix("torch."),
        "settings": plain,
    }


def cache_name(description: Mapping[str, Any]) -> str:
    """The 16 hex digits that name a cache of this description."""
    return hashlib.blake2b(json.dumps(description, sort_keys=True).encode(), digest_size=8).hexdigest()


def latent_key(content_hash: bytes, variant: int = 0, *, size: tuple[int, int, int] | None = None) -> bytes:
    """The key of one encoding of a clip.

    Args:
        content_hash: of its file.
        variant: which random draw of frames and crop it is.
        size: (frames, height, width) that it was brought to, where clips of a data set differ in it. So another set of
            sizes keeps what it has in common with the old one.
    """
    parts = (variant, *(size or ()))
    return content_hash + b"".join(part.to_bytes(4, "big") for part in parts)


def text_key(text: str) -> bytes:
    """The key of a caption's encoding."""
    # captions from damaged files may hold lone surrogates, which are a text of their own
    return hashlib.blake2b(text.encode("utf-8", "surrogatepass"), digest_size=HASH_BYTES).digest()


def latent_settings(processor: "VideoProcessor", *, seed: int, with_size: bool = True) -> dict[str, Any]:
    """What latents depend on besides the file and the encoder: every field of the processor, and the seed where frames
    or crops are drawn by it.

    Args:
        with_size: False leaves frames, height and width out, for data sets whose keys hold the size of each clip.
    """
    from heygen_hf.processing.video_processor import VideoProcessorFields

    fields = {name: getattr(processor, name) for name in VideoProcessorFields.__annotations__}
    if not with_size:
        fields = {name: value for name, value in fields.items() if name not in ("num_frames", "height", "width")}
    draws = processor.frame_position == "random" or processor.crop_position == "random"
    return fields | {"seed": seed if draws else None}
