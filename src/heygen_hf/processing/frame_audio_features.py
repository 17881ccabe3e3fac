"""`FrameAudioFeatureExtractor`: what is heard at each frame of a video; saved with the model, the same everywhere."""

from collections.abc import Sequence
from typing import Any

import numpy as np
import torch
from transformers import SequenceFeatureExtractor

# A pipeline loads a component through the base class its *module* exposes, hence the second import of a base.
from transformers.feature_extraction_utils import BatchFeature, FeatureExtractionMixin

from heygen_hf.processing.log_mel import QUIETEST_POWER, log_mel_spectrogram


class FrameAudioFeatureExtractor(SequenceFeatureExtractor):
    """Turns recordings into `audio_features` `(batch, frames, hidden_size)`, a row for each frame of a video.

    In two steps, so that a recording is analysed once and any of its frames can be had: `analyze` gives rows at a
    steady rate (log-mel bands, or the hidden states of an audio encoder), `at_times` takes `steps_per_frame` of them
    evenly from the time that each frame is shown. The level of the sound is kept: how loud it is can be read.

    Args:
        feature_size: mel bands; the width of the encoder's hidden states where there is an encoder.
        sampling_rate: of the recordings, in Hz.
        steps_per_frame: rows of each video frame.
        window_seconds, hop_seconds: what a row of mel bands looks at, and how far apart rows are.
        min_frequency, max_frequency: of the bands, in Hz; half the sampling rate at most.
        mean, deviation: of the logarithms, which brings them to about [-2, 2]; fixed numbers, not those of a recording.
        speech_level: the loudness that a recording is brought to before it is heard in sampling, as the training clips'
            speech was (see `heygen_hf.data.talking_faces.speech_level`); None leaves it as it is.
        has_encoder: rows are an audio encoder's hidden states, each brought to unit scale, in place of mel bands.

    Raises:
        ValueError: a field has a value that cannot work.
    """

    model_input_names = ["audio_features"]  # noqa: RUF012  (transformers' own declaration)

    def __init__(
        self,
        feature_size: int = 24,
        sampling_rate: int = 16_000,
        padding_value: float = 0.0,
        steps_per_frame: int = 4,
        window_seconds: float = 0.025,
        hop_seconds: float = 0.010,
        min_frequency: float = 50.0,
        max_frequency: float | None = None,
        mean: float = -6.0,
        deviation: float = 6.0,
        speech_level: float | None = None,
        has_encoder: bool = False,
        **kwargs: Any,
    ) -> None:
        super().__init__(feature_size=feature_size, sampling_rate=sampling_rate, padding_value=padding_value, **kwargs)
        self.steps_per_frame = steps_per_frame
        self.window_seconds, self.hop_seconds = window_seconds, hop_seconds
        self.min_frequency, self.max_frequency = min_frequency, max_frequency
        self.mean, self.deviation = mean, deviation
        self.speech_level, self.has_encoder = speech_level, has_encoder
        for name in ("feature_size", "sampling_rate", "steps_per_frame", "window_seconds", "hop_seconds", "deviation"):
            if not getattr(self, name) > 0:
                raise ValueError(f"{name} is {getattr(self, name)!r}; expected a number above 0")
        if speech_level is not None and not 0 < speech_level <= 1:
            raise ValueError(f"speech_level is {speech_level}; expected a loudness in (0, 1], or None to leave it")

    @property
    def hidden_size(self) -> int:
        """Width of a frame's features, a model's `audio_hidden_size`."""
        return self.feature_size * self.steps_per_frame

    @property
    def rows_per_second(self) -> float:
        """Of mel bands; an encoder's hidden states have a rate of their own."""
        return 1 / (round(self.hop_seconds * self.sampling_rate) / self.sampling_rate)

    @property
    def silence(self) -> float:
        """What every band of silence is; 0 for an encoder's hidden states."""
        return 0.0 if self.has_encoder else (float(np.log(QUIETEST_POWER)) - self.mean) / self.deviation

    def analyze(self, samples: torch.Tensor) -> torch.Tensor:
        """Mel bands of a recording: float `(samples,)`, mono, in [-1, 1] → `(rows, feature_size)`.

        Row i is the sound around `i / rows_per_second` seconds.
        """
        bands, _ = log_mel_spectrogram(
            samples[None].float(),
            sampling_rate=self.sampling_rate,
            num_mel_bins=self.feature_size,
            window_seconds=self.window_seconds,
            hop_seconds=self.hop_seconds,
            min_frequency=self.min_frequency,
            max_frequency=self.max_frequency,
            normalize="none",
        )
        return (bands[0] - self.mean) / self.deviation

    def at_times(
        self,
        rows: torch.Tensor,
        starts_seconds: Sequence[float] | np.ndarray | torch.Tensor,
        *,
        frame_seconds: float,
        rows_per_second: float | None = None,
    ) -> torch.Tensor:
        """What is heard while each frame is shown, `(frames, hidden_size)` float32; silence where there is no sound.

        Args:
            rows: `(rows, feature_size)`, as `analyze` gives them.
            starts_seconds: `(frames,)`, when each frame appears; negative for a frame that shows nothing.
            frame_seconds: how long a frame is shown.
            rows_per_second: of an encoder's hidden states.
        """
        starts = torch.as_tensor(np.asarray(starts_seconds, dtype=np.float64))
        rate = self.rows_per_second if rows_per_second is None else rows_per_second
        steps = (torch.arange(self.steps_per_frame, dtype=torch.float64) + 0.5) / self.steps_per_frame
        at = (starts[:, None] + steps * frame_seconds) * rate
        at = at.where(starts[:, None] >= 0, float(len(rows)))
        padded = torch.nn.functional.pad(rows.float(), (0, 0, 0, 1), value=self.silence)
        at = at.clamp(0, len(rows))
        below = at.floor().long()
        share = (at - below).float()[..., None]
        above = (below + 1).clamp(max=len(rows))
        return ((1 - share) * padded[below] + share * padded[above]).flatten(1)

    def __call__(
        self,
        audio: Sequence[torch.Tensor] | torch.Tensor | np.ndarray,
        sampling_rate: int | None = None,
        *,
        num_frames: int,
        frame_rate: float,
        return_tensors: str | None = "pt",
    ) -> BatchFeature:
        """Features of the first `num_frames` frames of videos that start with their recordings.

        Args:
            audio: one recording `(samples,)` or a list of them, floats in [-1, 1].
            sampling_rate: of the recordings, checked against this extractor's.
            frame_rate: frames per second.

        Raises:
            ValueError: another sampling rate, or a recording that is not mono floats.
        """
        if self.has_encoder:
            raise ValueError("these features are an audio encoder's; the pipeline that holds it makes them.")
        if sampling_rate is not None and sampling_rate != self.sampling_rate:
            raise ValueError(
                f"the recordings have {sampling_rate} Hz and the extractor was made for {self.sampling_rate}: resample "
                "them first."
            )
        one_alone = isinstance(audio, torch.Tensor | np.ndarray) and audio.ndim == 1
        starts = np.arange(num_frames) / frame_rate
        found = []
        for one in [audio] if one_alone else audio:
            samples = torch.as_tensor(one)
            if samples.ndim != 1 or not samples.is_floating_point() or not samples.numel():
                raise ValueError(
                    f"a recording is {samples.dtype} of shape {tuple(samples.shape)}; expected floats (samples,) in "
                    "[-1, 1], mono and not empty"
                )
            found.append(self.at_times(self.analyze(samples), starts, frame_seconds=1 / frame_rate))
        return BatchFeature(data={"audio_features": torch.stack(found)}, tensor_type=return_tensors)


__all__ = ["FeatureExtractionMixin", "FrameAudioFeatureExtractor"]
