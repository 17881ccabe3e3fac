"""Sound as bad microphones and bad connections give it, at three severities."""

import hashlib
from collections.abc import Callable

import torch

from heygen_hf.evaluation.robustness.clip_corruptions import SEVERITIES

_NOISE_RATIO_DB = (20.0, 10.0, 0.0)  # of the sound to the noise
_LOST_SHARE = (0.05, 0.15, 0.3)  # of the sound, in pieces that are silent
_PIECE_SECONDS = 0.04  # about what a lost packet holds
_CLIPPED_SHARE = (0.5, 0.25, 0.1)  # of the peak: what is louder is cut off


def corrupt_sound(
    samples: torch.Tensor, kind: str, severity: int, *, sampling_rate: int, seed: int = 0
) -> torch.Tensor:
    """A sound, worse; what is random depends on the seed and the sound itself.

    Args:
        samples: floating point `(samples,)`.
        kind: of `SOUND_CORRUPTIONS`.
        severity: 1, 2 or 3.

    Raises:
        ValueError: an unknown kind or severity, or another shape.
    """
    if kind not in SOUND_CORRUPTIONS:
        raise ValueError(f"there is no corruption of sound {kind!r}; known are {', '.join(SOUND_CORRUPTIONS)}")
    if severity not in SEVERITIES:
        raise ValueError(f"severity is {severity}; expected 1, 2 or 3")
    if samples.ndim != 1 or not samples.is_floating_point():
        raise ValueError(f"samples are {samples.dtype} of shape {tuple(samples.shape)}; expected floats (samples,)")
    digest = hashlib.blake2b(f"{seed} {kind}".encode(), digest_size=7)
    digest.update(samples.float().contiguous().cpu().numpy().data)
    generator = torch.Generator().manual_seed(int.from_bytes(digest.digest(), "big"))
    return SOUND_CORRUPTIONS[kind](samples, severity - 1, sampling_rate, generator)


def _noise(samples: torch.Tensor, level: int, sampling_rate: int, generator: torch.Generator) -> torch.Tensor:  # noqa: ARG001
    power = samples.square().mean()
    deviation = (power / 10 ** (_NOISE_RATIO_DB[level] / 10)).sqrt()
    return samples + deviation * torch.randn(samples.shape, generator=generator).to(samples)


def _losses(samples: torch.Tensor, level: int, sampling_rate: int, generator: torch.Generator) -> torch.Tensor:
    piece = max(1, round(_PIECE_SECONDS * sampling_rate))
    pieces = -(-len(samples) // piece)
    lost = torch.randperm(pieces, generator=generator)[: max(1, round(_LOST_SHARE[level] * pieces))]
    kept = torch.ones(pieces, dtype=torch.bool)
    kept[lost] = False
    return samples * kept.repeat_interleave(piece)[: len(samples)].to(samples)


def _clipping(samples: torch.Tensor, level: int, sampling_rate: int, generator: torch.Generator) -> torch.Tensor:  # noqa: ARG001
    peak = samples.abs().max() if len(samples) else samples.new_zeros(())
    limit = float(_CLIPPED_SHARE[level] * peak)
    return samples.clamp(-limit, limit)


SOUND_CORRUPTIONS: dict[str, Callable[[torch.Tensor, int, int, torch.Generator], torch.Tensor]] = {
    "noise": _noise,
    "losses": _losses,
    "clipping": _clipping,
}
"""Kind → what it does to a sound at level 0, 1 or 2."""
