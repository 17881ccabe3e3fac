"""What an autoencoder makes of a clip's sizes, and which sizes it takes: known before anything is encoded."""

from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import nn

from heygen_hf.data.buckets import Bucket
from heygen_hf.pipelines.latents import encode_to_posterior, fit_latent_size, is_image_autoencoder
from heygen_hf.tasks.text_to_video.encoder_loading import load_autoencoder

_PROBE_FRAMES, _PROBE_PIXELS = 49, 256  # 1 + 48 frames: 48 is a multiple of every ratio in use, 6 and 8 included
_FEW_PIXELS = 64  # where values are computed
# What autoencoders raise for sizes they do not take, for operations without shapes alone, and for other outputs.
_NOT_ENCODED = (RuntimeError, NotImplementedError, AttributeError)


@dataclass(frozen=True)
class LatentGeometry:
    """How many frames and pixels one latent stands for. A video autoencoder compresses the first frame by itself.

    Attributes:
        channels: of the latents.
        temporal_compression, spatial_compression: frames, and pixels in height and width, to one latent.
    """

    channels: int
    temporal_compression: int
    spatial_compression: int

    def latent_bucket(
        self, size: Bucket, *, patch_size: tuple[int, int, int] = (1, 1, 1), where: str = "the bucket"
    ) -> Bucket:
        """The size in latents.

        Args:
            patch_size: of the transformer, in latents.
            where: the recipe's keys of this size, for the error.

        Raises:
            ValueError: it does not fit the autoencoder or the patch; names the nearest sizes that do.
        """
        latents = []
        sizes = (("num_frames", size.num_frames), ("height", size.height), ("width", size.width))
        compressions = (self.temporal_compression, self.spatial_compression, self.spatial_compression)
        for (name, asked), compression, patch in zip(sizes, compressions, patch_size, strict=True):
            keeps_first = name == "num_frames" and compression > 1
            latent, nearest = fit_latent_size(asked, compression=compression, patch=patch, keeps_first=keeps_first)
            if nearest:
                ratio = f"{compression}n + 1 frames" if keeps_first else f"multiples of {compression}"
                raise ValueError(
                    f"{where} {name}={asked} does not fit: the autoencoder takes {ratio}, and a patch {patch} of its "
                    f"latents; the nearest that work are {nearest[0]} and {nearest[1]}"
                )
            latents.append(latent)
        return Bucket(*latents)


def latent_geometry(name: str) -> LatentGeometry:
    """The geometry of an autoencoder by folder or Hub name; its weights are not loaded where shapes alone tell.

    Raises:
        ValueError: it cannot be loaded, or compresses in another way than `LatentGeometry` says.
    """
    try:
        shape, pixels = _open_probe(name)(_PROBE_FRAMES)
    except _NOT_ENCODED as error:
        reason = str(error).splitlines()[0]
        raise ValueError(
            f"model.autoencoder={name} does not encode {_PROBE_FRAMES} frames to a distribution ({reason})"
        ) from error
    frames, channels, height, _ = shape
    temporal = 1 if frames == _PROBE_FRAMES else (_PROBE_FRAMES - 1) / max(frames - 1, 1)
    spatial = pixels / height
    if temporal != int(temporal) or spatial != int(spatial):
        raise ValueError(
            f"model.autoencoder={name} makes {frames} latents of {_PROBE_FRAMES} frames and {height} of {pixels} "
            "pixels; expected 4n + 1 frames (or 8n + 1, …) to make n + 1, and whole pixels to a latent"
        )
    return LatentGeometry(channels=channels, temporal_compression=int(temporal), spatial_compression=int(spatial))


def check_frames(name: str, geometry: LatentGeometry, *, num_frames: int, where: str) -> None:
    """Refuse a number of frames of which the autoencoder drops the last: Wan reads four at a time, whatever its ratio.

    Args:
        where: the recipe's keys of this size, for the error.

    Raises:
        ValueError: names the nearest numbers that work.
    """
    if geometry.temporal_compression == 1:
        return
    probe = _open_probe(name)

    def keeps_all(frames: int) -> bool:
        try:
            (found, *_), _ = probe(frames)
        except _NOT_ENCODED:  # so few or so many frames it cannot take at all
            return False
        return found == (frames - 1) // geometry.temporal_compression + 1

    if keeps_all(num_frames):
        return
    step = geometry.temporal_compression
    near = [num_frames + sign * step * count for count in range(1, 9) for sign in (-1, 1)]
    kept = [frames for frames in near if frames >= 1 and keeps_all(frames)][:2]
    nearest = f"; the nearest that work are {' and '.join(map(str, sorted(kept)))}" if kept else ""
    raise ValueError(f"{where} num_frames={num_frames} does not fit: the autoencoder drops the last of them{nearest}")


def _open_probe(name: str) -> Callable[[int], tuple[tuple[int, int, int, int], int]]:
    """Frames of a clip to the shape of an autoencoder's latents of it, and the pixels of the clip's sides.

    Shapes alone are computed, but for an autoencoder that looks at values while it encodes.
    """
    try:
        shadow = load_autoencoder(name, with_weights=False)
        _probe(shadow, pixels=_PROBE_PIXELS, device="meta")
    except _NOT_ENCODED:
        whole = load_autoencoder(name)
        return lambda frames: (_probe(whole, pixels=_FEW_PIXELS, device="cpu", frames=frames), _FEW_PIXELS)
    return lambda frames: (_probe(shadow, pixels=_PROBE_PIXELS, device="meta", frames=frames), _PROBE_PIXELS)


@torch.no_grad()
def _probe(
    autoencoder: nn.Module, *, pixels: int, device: str, frames: int = _PROBE_FRAMES
) -> tuple[int, int, int, int]:
    """(frames, channels, height, width) of the latents of a blank clip."""
    of_images = is_image_autoencoder(autoencoder)
    frames = 1 if of_images else frames
    clip = torch.zeros(1, frames, 3, pixels, pixels, device=device)
    _, latent_frames, channels, height, width = encode_to_posterior(autoencoder, clip)[0].shape
    return (_PROBE_FRAMES if of_images else latent_frames), channels, height, width
