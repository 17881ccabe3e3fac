"""Noise drawn beside the model: the next draw is made in a thread while the model computes with this one."""

import weakref
from collections.abc import Callable, Mapping
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Any, Generic, TypeVar

Drawn = TypeVar("Drawn")


class DrawAhead(Generic[Drawn]):
    """Calls a pure function, and begins the call that is expected next before it is asked for.

    Drawing noise takes one core a few milliseconds for a batch of small clips and tens for large ones, in which a GPU
    would stand still. A guess that turns out wrong is dropped: what is returned never depends on it.

    Args:
        draw: a function of its keyword arguments alone, which can be compared.

    Example::

        draw = DrawAhead(draw_noise)
        for step in range(steps):
            noise = draw(dict(step=step, ...), then=dict(step=step + 1, ...))
    """

    def __init__(self, draw: Callable[..., Drawn]) -> None:
        self._draw = draw
        self._threads = ThreadPoolExecutor(max_workers=1, thread_name_prefix="draw-ahead")
        # A thread that waits for work must not outlive what it works for.
        weakref.finalize(self, self._threads.shutdown, wait=False, cancel_futures=True)
        self._expected: Mapping[str, Any] | None = None
        self._begun: Future[Drawn] | None = None

    def __call__(self, arguments: Mapping[str, Any], *, then: Mapping[str, Any] | None = None) -> Drawn:
        """`draw(**arguments)`; then begin `draw(**then)` in the thread."""
        begun, self._begun = self._begun, None
        drawn = begun.result() if begun is not None and self._expected == arguments else self._draw(**arguments)
        if then is not None:
            self._expected, self._begun = then, self._threads.submit(self._draw, **then)
        return drawn
