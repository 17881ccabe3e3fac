"""The sections of an audio-to-video recipe: those of text to video, what is heard, and what is measured."""

from dataclasses import dataclass
from typing import Any, Literal

from heygen_hf.data.video.encode import AAC_RATES
from heygen_hf.tasks.text_to_video.recipe import SECTIONS as TEXT_TO_VIDEO


@dataclass(kw_only=True)
class AudioSection:
    """What the model hears at each frame; saved with the pipeline.

    Args:
        encoder: a folder or Hub repository of an audio encoder of transformers (wav2vec 2.0, HuBERT, Whisper …), whose
            last hidden states are heard. None for log-mel bands.
        mel_bands: how many, between `min_frequency` and `max_frequency` (by default half the sampling rate) in Hz.
        steps_per_frame: rows of bands or states for each video frame.
        sampling_rate: that sound is converted to; an encoder has its own.
        speech_level: the loudness that `generate` brings a recording to, as the speech of the training clips was; None
            leaves it as it is. Training clips are heard as they are. The talking faces' speech is at 0.12.
    """

    encoder: str | None = None
    mel_bands: int = 24
    min_frequency: float = 50.0
    max_frequency: float | None = None
    steps_per_frame: int = 4
    sampling_rate: int = 16_000
    speech_level: float | None = None

    def __post_init__(self) -> None:
        for name in ("mel_bands", "steps_per_frame"):
            if getattr(self, name) < 1:
                raise ValueError(f"{name} must be at least 1, got {getattr(self, name)}")
        if self.sampling_rate not in AAC_RATES:
            known = ", ".join(str(rate) for rate in AAC_RATES)
            raise ValueError(f"sampling_rate is {self.sampling_rate}; expected one that an .mp4 file takes, of {known}")
        highest = self.sampling_rate / 2 if self.max_frequency is None else self.max_frequency
        if not 0 <= self.min_frequency < highest <= self.sampling_rate / 2:
            raise ValueError(
                f"min_frequency={self.min_frequency} and max_frequency={self.max_frequency} must lie in order within "
                f"[0, {self.sampling_rate / 2:g}] Hz, half the sampling rate"
            )
        if self.speech_level is not None and not 0 < self.speech_level <= 1:
            raise ValueError(f"speech_level must lie in (0, 1], got {self.speech_level}")


@dataclass(kw_only=True)
class EvaluationSection:
    """How the trained model is judged: on test clips' first frames and sound.

    Args:
        measure: "talking_faces": does the mouth of a drawn face follow the speech, and is it still the same face (see
            `heygen_hf data talking-faces`)? "none" for other data.
        num_clips: so many test clips.
        identity_column: a label column that says whose face it is; None measures no identity.
        num_identities: a face is to be found among so many.
        num_frames: of each video; by default as many as the shortest of the clips has.
        seed: video i is made with seed + i.
    """

    measure: Literal["talking_faces", "none"] = "none"
    num_clips: int = 100
    identity_column: str | None = "identity"
    num_identities: int = 20
    num_frames: int | None = None
    seed: int = 1000

    def __post_init__(self) -> None:
        for name, least in (("num_clips", 2), ("num_identities", 2)):
            if getattr(self, name) < least:
                raise ValueError(f"{name} must be at least {least}, got {getattr(self, name)}")
        if self.num_frames is not None and self.num_frames < 2:
            raise ValueError(f"num_frames must be at least 2, got {self.num_frames}")


SECTIONS: dict[str, Any] = {**TEXT_TO_VIDEO, "audio": AudioSection, "evaluation": EvaluationSection}
