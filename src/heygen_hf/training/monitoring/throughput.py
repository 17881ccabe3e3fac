"""Where the time of a training run goes: samples/s, tokens/s, FLOP/s, padding, and the share spent waiting for data."""

import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass


@dataclass(frozen=True)
class Throughput:
    """What one process did between two readings."""

    seconds: float
    waiting_seconds: float
    samples: int
    tokens: int
    padding_tokens: int


class ThroughputMeter:
    """Counts what this process does between two readings. What runs in `paused` (evaluation, saving) is left out."""

    def __init__(self) -> None:
        self.reset()

    def reset(self) -> None:
        """Start counting anew from now."""
        self._started = time.perf_counter()
        self._excluded_seconds = 0.0
        self._waiting_seconds = 0.0
        self._samples = 0
        self._tokens = 0
        self._padding_tokens = 0

    def add(self, *, samples: int, tokens: int) -> None:
        """Count a micro-batch of this process; `tokens` includes the padding."""
        self._samples += samples
        self._tokens += tokens

    def add_padding(self, tokens: int) -> None:
        """Count tokens that only fill up a batch."""
        self._padding_tokens += tokens

    @contextmanager
    def waiting(self) -> Iterator[None]:
        """Time within is time the training waits for data."""
        start = time.perf_counter()
        try:
            yield
        finally:
            self._waiting_seconds += time.perf_counter() - start

    @contextmanager
    def paused(self) -> Iterator[None]:
        """Time within does not count as training."""
        start = time.perf_counter()
        try:
            yield
        finally:
            self._excluded_seconds += time.perf_counter() - start

    def read(self) -> Throughput:
        """What was done since the last reading; then counts anew."""
        seconds = max(time.perf_counter() - self._started - self._excluded_seconds, 1e-9)
        found = Throughput(seconds, self._waiting_seconds, self._samples, self._tokens, self._padding_tokens)
        self.reset()
        return found
