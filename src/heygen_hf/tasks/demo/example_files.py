"""A first frame and a sound to begin with, from a run's sample videos."""

import wave
from pathlib import Path

import numpy as np
from PIL import Image

from heygen_hf.data.recordings import decode_recording
from heygen_hf.data.video import BadVideoError, decode_frames
from heygen_hf.tasks.demo.model_inputs import ModelInputs

_SAMPLING_RATE = 16_000


def examples_of_samples(
    samples: Path, inputs: ModelInputs, folder: Path, *, most: int
) -> list[tuple[str | None, str | None]]:
    """An image and a sound, or what of these the model takes, for each of the first sample videos.

    Args:
        samples: with `sample-00.mp4`, ….
        folder: gets the files.

    Returns:
        Their absolute paths; what the model does not take is None.
    """
    found = []
    for video in sorted(samples.glob("sample-*.mp4"))[:most]:
        folder.mkdir(parents=True, exist_ok=True)
        image, audio = folder / f"{video.stem}.png", folder / f"{video.stem}.wav"
        try:
            if inputs.image:
                [frame] = decode_frames(video, [0]).frames.permute(0, 2, 3, 1).numpy()
                Image.fromarray(frame).save(image)
            if inputs.audio:
                _write_wav(audio, decode_recording(video, sampling_rate=_SAMPLING_RATE)[0].numpy())
        except BadVideoError:  # a sample without sound, or half a file: no example
            continue
        found.append((str(image) if inputs.image else None, str(audio) if inputs.audio else None))
    return found


def _write_wav(path: Path, samples: np.ndarray) -> None:
    with wave.open(str(path), "wb") as file:
        file.setnchannels(1)
        file.setsampwidth(2)
        file.setframerate(_SAMPLING_RATE)
        file.writeframes((samples.clip(-1, 1) * 32767).round().astype("<i2").tobytes())
