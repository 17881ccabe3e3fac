"""Where the time of a training run goes: samples/s, tokens/s, padding, and the share spent waiting for data."""

import time
from collections.abc import Iterator
from contextlib import contextmanager


class ThroughputMeter:
    """Counts between two readings of `read`. Evaluation, saving and sampling are excluded through `paused`."""

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
        """Count a micro-batch over all processes; `tokens` includes the padding."""
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

    def read(self) -> dict[str, float]:
        """Figures since the last reading; then counts anew."""
        seconds = max(time.perf_counter() - self._started - self._excluded_seconds, 1e-9)
        figures = {"samples_per_second": round(self._samples / seconds, 2)}
        if self._tokens:  # a convolution has none
            figures["tokens_per_second"] = round(self._tokens / seconds, 1)
            figures["padding_share"] = round(self._padding_tokens / self._tokens, 4)
        figures["data_wait_share"] = round(self._waiting_seconds / seconds, 4)
        self.reset()
        return figures
