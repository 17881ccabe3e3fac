"""Tones as sound files: a label's pitch, in any format and number of channels."""

import math
import wave
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest


@pytest.fixture
def write_tone() -> Callable[..., Path]:
    def write(
        path: Path,
        *,
        pitch: float = 440.0,
        seconds: float = 0.2,
        rate: int = 8000,
        channels: int = 1,
        gain: float = 0.5,
    ) -> Path:
        times = np.arange(round(seconds * rate)) / rate
        samples = np.rint(gain * 32767 * np.sin(2 * math.pi * pitch * times)).astype("<i2")
        path.parent.mkdir(parents=True, exist_ok=True)
        with wave.open(str(path), "wb") as file:
            file.setnchannels(channels)
            file.setsampwidth(2)
            file.setframerate(rate)
            file.writeframes(np.repeat(samples, channels).tobytes())
        return path

    return write
