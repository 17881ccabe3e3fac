"""Log-mel spectrograms in plain torch: differentiable, batched with masks, the same on every device."""

import math
from typing import Literal

import torch

LogMelNormalization = Literal["utterance", "none"]
QUIETEST_POWER = 1e-8  # added before the logarithm: -80 dB of a full-scale sine, below any recording's noise


def mel_filters(
    num_mel_bins: int,
    *,
    fft_size: int,
    sampling_rate: int,
    min_frequency: float = 0.0,
    max_frequency: float | None = None,
    device: torch.device | None = None,
) -> torch.Tensor:
    """Triangles that are equally wide in mels (HTK's scale), `(fft_size // 2 + 1, num_mel_bins)`, peak 1.

    Args:
        min_frequency, max_frequency: in Hz; the highest is half the sampling rate by default.

    Raises:
        ValueError: frequencies out of order or above half the sampling rate.
    """
    highest = sampling_rate / 2 if max_frequency is None else max_frequency
    if not 0 <= min_frequency < highest <= sampling_rate / 2:
        raise ValueError(
            f"min_frequency={min_frequency} and max_frequency={highest} Hz must lie in order within [0, "
            f"{sampling_rate / 2}], half the sampling rate."
        )
    edges = torch.linspace(_to_mels(min_frequency), _to_mels(highest), num_mel_bins + 2, device=device)
    edges = 700.0 * (10.0 ** (edges / 2595.0) - 1.0)
    frequencies = torch.linspace(0, sampling_rate / 2, fft_size // 2 + 1, device=device)
    widths = edges.diff()
    slopes = edges - frequencies[:, None]  # (frequencies, bins + 2)
    rising = -slopes[:, :-2] / widths[:-1]
    falling = slopes[:, 2:] / widths[1:]
    return torch.minimum(rising, falling).clamp(min=0)


def log_mel_spectrogram(
    audio: torch.Tensor,
    mask: torch.Tensor | None = None,
    *,
    sampling_rate: int,
    num_mel_bins: int = 64,
    window_seconds: float = 0.025,
    hop_seconds: float = 0.010,
    min_frequency: float = 20.0,
    max_frequency: float | None = None,
    normalize: LogMelNormalization = "utterance",
) -> tuple[torch.Tensor, torch.Tensor]:
    """Log power in mel bands, frame by frame. Frame i is centred on sample `i * hop`; silence surrounds the sound.

    A recording gives the same frames alone as in a padded batch.

    Args:
        audio: floating point `(batch, samples)`, mono, in [-1, 1].
        mask: `(batch, samples)`, 1 at samples and 0 at padding, which lies at the end.
        normalize: "utterance" brings each band of each recording to mean 0 and deviation 1 over its frames, which takes
            loudness, microphone and much of the speaker out; "none" leaves natural logarithms.

    Returns:
        `(batch, frames, num_mel_bins)` float32, zeros in frames of padding, with `frames = ceil(samples / hop)`; and
        the mask of the frames, `(batch, frames)` bool.

    Raises:
        ValueError: audio that is not `(batch, samples)` of floats, or a mask of another shape.
    """
    if audio.ndim != 2 or not audio.is_floating_point() or audio.shape[1] == 0:
        raise ValueError(f"audio is {audio.dtype} of shape {tuple(audio.shape)}; expected floats (batch, samples).")
    if mask is not None and mask.shape != audio.shape:
        raise ValueError(f"the mask has shape {tuple(mask.shape)}; expected the audio's, {tuple(audio.shape)}.")
    window, hop = max(round(window_seconds * sampling_rate), 2), max(round(hop_seconds * sampling_rate), 1)
    fft_size = 2 ** math.ceil(math.log2(window))
    audio = audio.float()
    if mask is not None:
        audio = audio.where(mask.bool(), 0)
    frames = -(-audio.shape[1] // hop)

    # 1. Windows around every hop-th sample.
    before = window // 2
    after = (frames - 1) * hop + window - before - audio.shape[1]
    framed = torch.nn.functional.pad(audio, (before, after)).unfold(1, window, hop)  # (batch, frames, window)
    framed = framed * torch.hann_window(window, device=audio.device)

    # 2. Power by frequency, then by band. Autocast would compute the product of matrices in half precision.
    with torch.autocast(audio.device.type, enabled=False):
        spectrum = torch.fft.rfft(framed, n=fft_size)
        power = spectrum.real.square() + spectrum.imag.square()
        filters = mel_filters(
            num_mel_bins,
            fft_size=fft_size,
            sampling_rate=sampling_rate,
            min_frequency=min_frequency,
            max_frequency=max_frequency,
            device=audio.device,
        )
        features = (power @ filters + QUIETEST_POWER).log()

    # 3. Frames that are centred on padding do not count.
    if mask is None:
        frame_mask = torch.ones(features.shape[:2], dtype=torch.bool, device=audio.device)
    else:
        frame_mask = mask[:, ::hop].bool()
    weights = frame_mask[..., None].float()
    if normalize == "utterance":
        count = weights.sum(dim=1, keepdim=True).clamp(min=1)
        mean = (features * weights).sum(dim=1, keepdim=True) / count
        variance = ((features - mean).square() * weights).sum(dim=1, keepdim=True) / count
        features = (features - mean) * torch.rsqrt(variance + 1e-5)
    return features * weights, frame_mask


def _to_mels(frequency: float) -> float:
    return 2595.0 * math.log10(1.0 + frequency / 700.0)
