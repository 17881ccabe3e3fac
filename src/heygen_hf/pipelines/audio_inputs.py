"""The forms in which people hold sound, brought to what a model hears at each frame."""

import warnings
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch

from heygen_hf.data.recordings import decode_recording
from heygen_hf.data.talking_faces.loudness import speech_level
from heygen_hf.data.video import BadVideoError
from heygen_hf.data.video.audio import resample
from heygen_hf.processing import FrameAudioFeatureExtractor

_SILENT_LEVEL = 0.001  # -60 dB of full scale, as where recordings of speech are chosen
_LOUDEST = 1.5  # a mixed or resampled sound may pass full scale a little, one of integers does by far
_ENCODED_AT_LEAST_SECONDS = 0.1  # convolutions of audio encoders take no less; silence fills it up
_ENCODED_AT_ONCE_SECONDS = 30.0  # longer recordings are encoded in pieces: Whisper takes no more

_KINDS = "a path, floats (samples,) or (channels, samples) in [-1, 1], or a list of those, one for each video"


@dataclass(frozen=True, eq=False)
class HeardAudio:
    """The sounds of a call, one for each video before repeats.

    Attributes:
        samples: `(samples,)` each at the extractor's rate, at the level they came with.
        rows: each as it is heard: brought to the level of training, and analysed.
        extractor: takes frames from rows.
        frame_rate: frames per second of the videos.
    """

    samples: list[torch.Tensor]
    rows: list[torch.Tensor]
    extractor: FrameAudioFeatureExtractor
    frame_rate: float

    def __getitem__(self, some: slice) -> "HeardAudio":
        return self.select(range(len(self.samples))[some])

    def select(self, numbers: Sequence[int]) -> "HeardAudio":
        """Those of some videos; the same one for several."""
        samples, rows = [self.samples[i] for i in numbers], [self.rows[i] for i in numbers]
        return HeardAudio(samples, rows, self.extractor, self.frame_rate)

    @property
    def num_frames(self) -> int:
        """Frames that the longest of them lasts."""
        longest = max(len(samples) for samples in self.samples) / self.extractor.sampling_rate
        return max(1, int(np.ceil(longest * self.frame_rate - 1e-6)))

    def features(self, *, first_frame: int, num_frames: int) -> torch.Tensor:
        """What is heard at some frames of the videos, `(sounds, frames, hidden_size)`; silence beyond a sound's end."""
        starts = (first_frame + np.arange(num_frames)) / self.frame_rate
        found = []
        for samples, rows in zip(self.samples, self.rows, strict=True):
            rate = len(rows) / (len(samples) / self.extractor.sampling_rate) if self.extractor.has_encoder else None
            found.append(self.extractor.at_times(rows, starts, frame_seconds=1 / self.frame_rate, rows_per_second=rate))
        return torch.stack(found)

    def tracks(self, num_frames: int) -> list[torch.Tensor]:
        """The sound of each video, `(samples,)`: as long as its frames, cut or with silence at its end."""
        length = round(num_frames / self.frame_rate * self.extractor.sampling_rate)
        return [torch.nn.functional.pad(one, (0, max(0, length - len(one))))[:length] for one in self.samples]


def hear(
    audio: Any,
    *,
    sampling_rate: int | None,
    frame_rate: float,
    extractor: FrameAudioFeatureExtractor,
    encoder: Any = None,
    encoder_extractor: Any = None,
) -> HeardAudio:
    """Read, resample, bring to the level of training and analyse what a call was given.

    Args:
        audio: a path, samples, or a list of these.
        sampling_rate: of samples, which do not say it themselves.
        encoder, encoder_extractor: an audio encoder of transformers and its feature extractor, where the model hears
            its hidden states.

    Raises:
        ValueError: a file that cannot be read or has no sound, samples of another kind or of an unknown rate.
    """
    given = list(audio) if isinstance(audio, list | tuple) else [audio]
    if not given:
        raise ValueError("audio is an empty list; give one sound at least, or none at all.")
    samples = [_read(one, sampling_rate, extractor.sampling_rate) for one in given]
    rows = []
    for one in samples:
        heard = at_speech_level(one, extractor)
        rows.append(
            extractor.analyze(heard) if encoder is None else encode_sound(heard, encoder, encoder_extractor, extractor)
        )
    return HeardAudio(samples, rows, extractor, frame_rate)


def _read(value: Any, sampling_rate: int | None, wanted_rate: int) -> torch.Tensor:
    """Mono samples at the wanted rate."""
    if isinstance(value, str | Path):
        try:
            return decode_recording(value, sampling_rate=wanted_rate)[0]
        except BadVideoError as error:
            raise ValueError(f"audio {value}: {error}") from error
    samples = torch.as_tensor(value) if isinstance(value, torch.Tensor | np.ndarray) else None
    if samples is None or samples.ndim not in (1, 2) or not samples.is_floating_point() or not samples.numel():
        shape = "" if samples is None else f", {samples.dtype} of shape {tuple(samples.shape)}"
        raise ValueError(f"audio is {type(value).__name__}{shape}; expected {_KINDS}: divide integers by their range.")
    if sampling_rate is None:
        raise ValueError("audio is given as samples, which do not say their rate: pass audio_sampling_rate.")
    if not sampling_rate > 0:
        raise ValueError(f"audio_sampling_rate is {sampling_rate}; expected samples per second above 0, such as 16000.")
    samples = samples.detach().float().cpu()
    if samples.ndim == 2:
        channels, length = samples.shape
        if channels > length:
            raise ValueError(
                f"audio has shape {(channels, length)}: more channels than samples; expected (channels, samples)."
            )
        samples = samples.mean(dim=0)
    if not bool(samples.isfinite().all()):
        raise ValueError("audio has samples that are not finite; expected numbers in [-1, 1].")
    loudest = float(samples.abs().max())
    if loudest > _LOUDEST:
        raise ValueError(
            f"audio has samples up to {loudest:g}; expected numbers in [-1, 1]: divide by the range, 32768 for 16 bits."
        )
    return torch.from_numpy(resample(samples.numpy(), sampling_rate, wanted_rate)).clamp(-1, 1)


def at_speech_level(samples: torch.Tensor, extractor: FrameAudioFeatureExtractor) -> torch.Tensor:
    """A recording as loud as the speech that the model learned from; silence stays what it is, with a warning."""
    level = speech_level(samples.numpy(), sampling_rate=extractor.sampling_rate)
    if level < _SILENT_LEVEL:
        warnings.warn(
            f"the audio is silent (its loudest is {level:.2g} of full scale): it is heard as silence, to which a mouth "
            "stays closed.",
            UserWarning,
            stacklevel=5,
        )
        return samples
    if extractor.speech_level is None:
        return samples
    return (samples * (extractor.speech_level / level)).clamp(-1, 1)


@torch.no_grad()
def encode_sound(
    samples: torch.Tensor, encoder: Any, encoder_extractor: Any, extractor: FrameAudioFeatureExtractor
) -> torch.Tensor:
    """Last hidden states of an audio encoder, each brought to unit scale: `(rows, feature_size)` at a steady rate.

    The rows last as long as the samples; what an encoder makes of padding is left out.
    """
    rate = extractor.sampling_rate
    piece, least = round(_ENCODED_AT_ONCE_SECONDS * rate), round(_ENCODED_AT_LEAST_SECONDS * rate)
    rows: list[torch.Tensor] = []
    for start in range(0, len(samples), piece):
        part = samples[start : start + piece]
        filled = torch.nn.functional.pad(part, (0, max(0, least - len(part))))
        inputs = encoder_extractor(filled.numpy(), sampling_rate=rate, return_tensors="pt")
        name = "input_features" if "input_features" in inputs else "input_values"
        values = inputs[name]
        states = encoder(**{name: values.to(encoder.device, encoder.dtype)}).last_hidden_state[0].float().cpu()
        padded_to = max(getattr(encoder_extractor, "n_samples", None) or 0, len(filled))
        # a sound has one row at least, a short rest of it none
        states = states[: max(0 if rows else 1, _share_of_sound(len(part), padded_to, len(states)))]
        rows.append(torch.nn.functional.layer_norm(states, states.shape[-1:]))
    return torch.cat(rows)


def _share_of_sound(num_samples: int, padded_to: int, num_states: int) -> int:
    """How many states are of the sound: an extractor such as Whisper's pads every recording to one length."""
    return num_states if num_samples >= padded_to else round(num_states * num_samples / padded_to)


def check_count(audio: Sequence[Any], *, num_videos: int) -> None:
    """Refuse sounds that are neither one nor one for each video."""
    if len(audio) not in (1, num_videos):
        raise ValueError(f"audio holds {len(audio)} for {num_videos} videos; give one each, or one for all.")
