"""`AudioFeatureExtractor`: recordings to log-mel features, saved with the model as `preprocessor_config.json`."""

from collections.abc import Sequence
from typing import Any, Literal

import numpy as np
import torch
from transformers import SequenceFeatureExtractor

# A pipeline loads a component through the base class its *module* exposes, hence the second import of a base.
from transformers.feature_extraction_utils import BatchFeature, FeatureExtractionMixin

from heygen_hf.processing.log_mel import LogMelNormalization, log_mel_spectrogram

AudioOutput = Literal["features", "samples"]


class AudioFeatureExtractor(SequenceFeatureExtractor):
    """Turns mono recordings into `input_features` `(batch, frames, bands)` with their `attention_mask`.

    Args:
        feature_size: mel bands.
        sampling_rate: of the recordings, in Hz.
        window_seconds, hop_seconds: what a frame looks at, and how far apart frames are.
        min_frequency, max_frequency: of the bands, in Hz; half the sampling rate at most.
        normalize: "utterance" or "none", see `log_mel_spectrogram`.
        output: "features", or "samples" for a model that makes its own features (`input_values`), as our audio encoder
            does from a collator's `audio_values`: then this pads and masks only.

    Raises:
        ValueError: a field has a value that cannot work.
    """

    model_input_names = ["input_features", "attention_mask"]  # noqa: RUF012  (transformers' own declaration)

    def __init__(
        self,
        feature_size: int = 64,
        sampling_rate: int = 16_000,
        padding_value: float = 0.0,
        window_seconds: float = 0.025,
        hop_seconds: float = 0.010,
        min_frequency: float = 20.0,
        max_frequency: float | None = None,
        normalize: LogMelNormalization = "utterance",
        output: AudioOutput = "features",
        **kwargs: Any,
    ) -> None:
        super().__init__(feature_size=feature_size, sampling_rate=sampling_rate, padding_value=padding_value, **kwargs)
        self.window_seconds, self.hop_seconds = window_seconds, hop_seconds
        self.min_frequency, self.max_frequency = min_frequency, max_frequency
        self.normalize, self.output = normalize, output
        for name in ("feature_size", "sampling_rate", "window_seconds", "hop_seconds"):
            if not getattr(self, name) > 0:
                raise ValueError(f"{name} is {getattr(self, name)!r}; expected a number above 0")
        if normalize not in ("utterance", "none"):
            raise ValueError(f"normalize is {normalize!r}; expected 'utterance' or 'none'")
        if output not in ("features", "samples"):
            raise ValueError(f"output is {output!r}; expected 'features' or 'samples'")

    def __call__(
        self,
        audio: Any,
        sampling_rate: int | None = None,
        max_samples: int | None = None,
        return_tensors: str | None = "pt",
    ) -> BatchFeature:
        """Pad recordings to the longest and compute their features.

        Args:
            audio: one recording or a list of them: tensors, arrays or lists of `(samples,)` in [-1, 1].
            sampling_rate: of the recordings, checked against this extractor's.
            max_samples: the rest of a longer recording is cut off.
            return_tensors: "pt" or "np".

        Returns:
            `input_features` `(batch, frames, bands)` and `attention_mask` `(batch, frames)`, 1 at sound; or, with
            `output="samples"`, `input_values` and `attention_mask`, both `(batch, samples)`.

        Raises:
            ValueError: another sampling rate, a recording with more than one channel, an empty one, or one that is not
                of floats.
        """
        if sampling_rate is not None and sampling_rate != self.sampling_rate:
            raise ValueError(
                f"the recordings have {sampling_rate} Hz and the extractor was made for {self.sampling_rate}: resample "
                "them first (data.audio_sampling_rate does when clips are read)."
            )
        recordings = [_as_samples(each)[:max_samples] for each in _as_list(audio)]
        samples = torch.nn.utils.rnn.pad_sequence(recordings, batch_first=True)
        lengths = torch.tensor([len(each) for each in recordings])
        mask = torch.arange(samples.shape[1]) < lengths[:, None]
        if self.output == "samples":
            named = {"input_values": samples, "attention_mask": mask.long()}
            return BatchFeature(data=named, tensor_type=return_tensors)
        features, frame_mask = log_mel_spectrogram(
            samples,
            mask,
            sampling_rate=self.sampling_rate,
            num_mel_bins=self.feature_size,
            window_seconds=self.window_seconds,
            hop_seconds=self.hop_seconds,
            min_frequency=self.min_frequency,
            max_frequency=self.max_frequency,
            normalize=self.normalize,
        )
        if self.padding_value:
            features = features.where(frame_mask[..., None], self.padding_value)
        named = {"input_features": features, "attention_mask": frame_mask.long()}
        return BatchFeature(data=named, tensor_type=return_tensors)


def _as_list(audio: Any) -> list[Any]:
    if isinstance(audio, torch.Tensor | np.ndarray):
        return [audio] if audio.ndim == 1 else list(audio)
    if isinstance(audio, Sequence) and audio and isinstance(audio[0], float | int):
        return [audio]
    if not isinstance(audio, Sequence) or not audio:
        raise ValueError(f"audio is {type(audio).__name__}; expected a recording or a list of at least one")
    return list(audio)


def _as_samples(recording: Any) -> torch.Tensor:
    samples = torch.as_tensor(np.asarray(recording) if not isinstance(recording, torch.Tensor) else recording)
    if samples.ndim != 1 or not samples.is_floating_point() or not samples.numel():
        raise ValueError(
            f"a recording is {samples.dtype} of shape {tuple(samples.shape)}; expected floats (samples,) in [-1, 1], "
            "mono and not empty: average the channels, divide integers by their range"
        )
    return samples.detach().float().cpu()


__all__ = ["AudioFeatureExtractor", "FeatureExtractionMixin"]
