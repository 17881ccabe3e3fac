"""Recordings of made-up speech as files, as a user's folder holds them."""

import wave
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from heygen_hf.data.talking_faces import synthesize_speech


@pytest.fixture(scope="session")
def write_wav() -> Callable[..., Path]:
    def write(path: Path, samples: np.ndarray, *, rate: int, channels: int = 1) -> Path:
        path.parent.mkdir(parents=True, exist_ok=True)
        with wave.open(str(path), "wb") as file:
            file.setnchannels(channels)
            file.setsampwidth(2)
            file.setframerate(rate)
            file.writeframes(np.repeat(np.rint(samples * 32767).astype("<i2"), channels).tobytes())
        return path

    return write


@pytest.fixture(scope="session")
def speech_dir(tmp_path_factory: pytest.TempPathFactory, write_wav: Callable[..., Path]) -> Path:
    """Twelve recordings of several rates, one that is silent, one that is over at once, and a file that is no sound."""
    folder = tmp_path_factory.mktemp("speech") / "recordings"
    for number in range(12):
        rate, channels = ((8000, 1), (16_000, 1), (22_050, 2))[number % 3]
        samples = synthesize_speech(number, sampling_rate=rate, seed=7) * (0.02 if number == 5 else 0.8)
        write_wav(folder / "deep" / f"{number}.wav", samples, rate=rate, channels=channels)
    write_wav(folder / "silent.wav", np.zeros(8000), rate=8000)
    write_wav(folder / "click.wav", np.full(400, 0.5), rate=8000)
    (folder / "notes.txt").write_text("no recording")
    return folder
