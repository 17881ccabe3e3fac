"""Recordings that `generate` makes videos of, and the tracks of these."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from heygen_hf.pipelines import VideoGenerationPipeline
from heygen_hf.pipelines.audio_inputs import HeardAudio

_SAID_SECONDS = 0.05  # a sound that ends so much before or after its video is worth a sentence


@dataclass(frozen=True)
class Sounds:
    """The sound of each video.

    Attributes:
        heard: what the model hears, one for each.
        num_frames: of each video.
    """

    heard: HeardAudio
    num_frames: list[int]

    def track(self, which: int) -> dict[str, Any]:
        """The arguments of `write_video` for the sound of a video, as long as its frames."""
        [samples] = self.heard.select([which]).tracks(self.num_frames[which])
        return {"audio": samples, "sampling_rate": self.heard.extractor.sampling_rate}


def read_sounds(
    pipeline: VideoGenerationPipeline,
    files: Sequence[str | Path] | None,
    *,
    num_videos: int,
    num_frames: int | None,
    frame_rate: float,
    context_frames: int | None = None,
) -> Sounds | None:
    """What the files hold, and how long videos of them are; None for no files.

    A video lasts as long as its sound unless `num_frames` says otherwise; what is then cut off or silent is said.

    Args:
        num_videos: before repeats; there are as many files, or one for all.
        context_frames: of a video made in windows, as in a call.

    Raises:
        ValueError: a file that cannot be read or has no sound, another number of files, or a model that hears nothing.
    """
    if not files:
        return None
    if len(files) not in (1, num_videos):
        raise ValueError(f"{len(files)} --audio files for {num_videos} videos; give one each, or one for all")
    heard = pipeline.hear([Path(file) for file in files], frame_rate=frame_rate)
    lengths = [
        num_frames or pipeline.frames_for(heard.select([i]), context_frames=context_frames) for i in range(len(files))
    ]
    for i, (file, length) in enumerate(zip(files, lengths, strict=True)):
        seconds = len(heard.samples[i]) / heard.extractor.sampling_rate
        missing = length / frame_rate - seconds
        # the last frame of a video of its own length lasts longer than the sound, which nobody hears
        if missing > max(_SAID_SECONDS, 1 / frame_rate):
            print(f"{file} lasts {seconds:.2f} s and its video {length / frame_rate:.2f} s: silence at its end")
        elif missing < -_SAID_SECONDS:
            print(f"{file} lasts {seconds:.2f} s and its video {length / frame_rate:.2f} s: the rest is cut off")
    repeats = num_videos // len(files)
    numbers = list(range(len(files))) * repeats
    return Sounds(heard.select(numbers), [lengths[i] for i in numbers])
