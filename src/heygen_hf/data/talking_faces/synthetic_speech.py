"""Sound like speech, made up: syllables of a hiss and a vowel, in words with pauses between them."""

import numpy as np

from heygen_hf.processing import fold_seed

_VOWELS = ((730, 1090, 2440), (270, 2290, 3010), (300, 870, 2240), (530, 1840, 2480), (570, 840, 2410))  # formants, Hz
_BANDWIDTHS = (80.0, 110.0, 160.0)
_HIGHEST = 3600.0  # Hz; no harmonics above
_FADE_SECONDS = 0.02


def synthesize_speech(number: int, *, sampling_rate: int, seed: int = 0) -> np.ndarray:
    """Recording `number` of an endless series: one to three words of one to three syllables, by one voice.

    Returns:
        float32 `(samples,)` in [-1, 1].
    """
    draws = np.random.default_rng(fold_seed(seed, 20, number))
    pitch = draws.uniform(90, 230)
    parts = []
    num_words = int(draws.integers(1, 4))
    for word in range(num_words):
        if word:
            parts.append(np.zeros(round(draws.uniform(0.08, 0.3) * sampling_rate)))
        for _ in range(int(draws.integers(1, 4))):
            loudness = draws.uniform(0.25, 1.0)
            if draws.random() < 0.6:
                parts.append(0.25 * loudness * _hiss(draws, sampling_rate))
            parts.append(loudness * _vowel(draws, pitch * draws.uniform(0.85, 1.2), sampling_rate))
    samples = np.concatenate(parts)
    return (0.5 * samples / abs(samples).max()).astype(np.float32)


def _vowel(draws: np.random.Generator, pitch: float, sampling_rate: int) -> np.ndarray:
    """Harmonics of a falling pitch, as strong as a vowel's formants let them be."""
    length = round(draws.uniform(0.09, 0.24) * sampling_rate)
    phase = 2 * np.pi * np.cumsum(np.linspace(pitch * 1.05, pitch * 0.92, length)) / sampling_rate
    formants = np.array(_VOWELS[draws.integers(len(_VOWELS))]) * draws.uniform(0.92, 1.08)
    sound = np.zeros(length)
    turn = np.exp(1j * phase)  # its powers are the harmonics, at the price of a product each
    tone = np.ones_like(turn)
    for harmonic in range(1, int(min(_HIGHEST, 0.45 * sampling_rate) / pitch) + 1):
        tone *= turn
        gains = 1 / (1 + np.square((harmonic * pitch - formants) / _BANDWIDTHS))
        sound += (gains @ (1.0, 0.5, 0.25) + 0.01) / np.sqrt(harmonic) * tone.imag
    return _faded(sound / abs(sound).max(), sampling_rate)


def _hiss(draws: np.random.Generator, sampling_rate: int) -> np.ndarray:
    noise = draws.standard_normal(round(draws.uniform(0.03, 0.07) * sampling_rate))
    sound = np.diff(noise, prepend=0.0)  # the high tones of it
    return _faded(sound / abs(sound).max(), sampling_rate)


def _faded(sound: np.ndarray, sampling_rate: int) -> np.ndarray:
    length = min(round(_FADE_SECONDS * sampling_rate), len(sound) // 2)
    fade = np.sin(np.linspace(0, np.pi / 2, length)) ** 2
    sound[:length] *= fade
    sound[len(sound) - length :] *= fade[::-1]
    return sound
