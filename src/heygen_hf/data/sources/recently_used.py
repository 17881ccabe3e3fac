"""A few open files and row groups, per process."""

import os
import threading
from collections import OrderedDict
from collections.abc import Callable, Hashable
from typing import Any, TypeVar

Value = TypeVar("Value")


class RecentlyUsed:
    """Keeps what was used last, up to a number of items and bytes; what is dropped is closed.

    A forked process starts empty: it must not share a file's position, or a lock, with its parent.
    """

    def __init__(self, *, max_items: int, max_bytes: int | None = None) -> None:
        self.max_items, self.max_bytes = max_items, max_bytes
        self._reset()
        if hasattr(os, "register_at_fork"):
            os.register_at_fork(after_in_child=self._reset)

    def _reset(self) -> None:
        self._items: OrderedDict[Hashable, tuple[Any, int]] = OrderedDict()
        self._num_bytes = 0
        self.lock = threading.RLock()

    def get(self, key: Hashable, make: Callable[[], Value], *, size: Callable[[Value], int] | None = None) -> Value:
        """The value held for the key, made where there is none. Use a file while holding `lock`."""
        with self.lock:
            if key in self._items:
                self._items.move_to_end(key)
                return self._items[key][0]
            value = make()
            num_bytes = 0 if size is None else size(value)
            self._items[key] = (value, num_bytes)
            self._num_bytes += num_bytes
            while len(self._items) > 1 and (
                len(self._items) > self.max_items or (self.max_bytes is not None and self._num_bytes > self.max_bytes)
            ):
                _, (dropped, dropped_bytes) = self._items.popitem(last=False)
                self._num_bytes -= dropped_bytes
                if hasattr(dropped, "close"):
                    dropped.close()
            return value


OPEN_FILES = RecentlyUsed(max_items=16)
ROW_GROUPS = RecentlyUsed(max_items=64, max_bytes=256 * 2**20)
