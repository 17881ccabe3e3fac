"""Messages between a process and its own fork: pickles, with the arrays beside them as raw bytes."""

import io
import mmap
import pickle
import socket
import struct
import time
from typing import Any

import numpy as np
import torch

_HEADER = struct.Struct("<QI?")  # bytes of the pickle, number of arrays, whether those lie in the shared mapping
_ALIGNMENT = 64


class _Pickler(pickle.Pickler):
    """Plain tensors go as raw bytes too; torch's own way first writes each into a file in memory."""

    def reducer_override(self, value: Any) -> Any:
        if type(value) is not torch.Tensor or value.device.type != "cpu" or value.layout != torch.strided:
            return NotImplemented
        if value.requires_grad or value.is_conj() or value.is_neg() or value.is_quantized:
            return NotImplemented
        raw = value.contiguous().reshape(-1).view(torch.uint8).numpy()
        return _tensor, (pickle.PickleBuffer(raw.data), value.dtype, tuple(value.shape))


def _tensor(buffer: Any, dtype: torch.dtype, shape: tuple[int, ...]) -> torch.Tensor:
    if len(buffer) == 0:
        return torch.empty(shape, dtype=dtype)
    return torch.frombuffer(buffer, dtype=torch.uint8).view(dtype).reshape(shape)


class EncodedMessage:
    """A message as bytes: a pickle, and the arrays it refers to."""

    def __init__(self, message: Any) -> None:
        arrays: list[pickle.PickleBuffer] = []
        file = io.BytesIO()
        _Pickler(file, protocol=5, buffer_callback=arrays.append).dump(message)
        self.payload = file.getbuffer()
        self.arrays = [array.raw() for array in arrays]

    @property
    def num_bytes(self) -> int:
        return len(self.payload) + sum(map(len, self.arrays))


class Connection:
    """One end of a socket pair, with a mapping that both processes share, for one message at a time."""

    def __init__(self, end: socket.socket, shared: mmap.mmap | None) -> None:
        self._end = end
        self._shared = np.frombuffer(shared, dtype=np.uint8) if shared is not None else np.empty(0, dtype=np.uint8)

    def close(self) -> None:
        self._end.close()

    def fileno(self) -> int:
        return self._end.fileno()

    def send(self, message: EncodedMessage, *, timeout_seconds: float | None) -> None:
        """Raises `OSError` where the other side is gone, or does not read in time (`TimeoutError`)."""
        sizes = [len(array) for array in message.arrays]
        in_shared = bool(sizes) and sum(_aligned(size) for size in sizes) <= len(self._shared)
        self._end.settimeout(timeout_seconds)
        if in_shared:
            start = 0
            for array, size in zip(message.arrays, sizes, strict=True):
                self._shared[start : start + size] = np.frombuffer(array, dtype=np.uint8)
                start += _aligned(size)
        header = _HEADER.pack(len(message.payload), len(sizes), in_shared) + struct.pack(f"<{len(sizes)}Q", *sizes)
        self._end.sendall(header + message.payload)
        if not in_shared:
            for array in message.arrays:
                self._end.sendall(array)

    def receive(self, *, timeout_seconds: float | None) -> Any:
        """The next message, its arrays in memory of their own.

        Raises:
            EOFError: the other side is gone.
            TimeoutError: the message is not here in time.
        """
        deadline = None if timeout_seconds is None else time.monotonic() + timeout_seconds
        payload_bytes, num_arrays, in_shared = _HEADER.unpack(self._read(_HEADER.size, deadline))
        sizes = struct.unpack(f"<{num_arrays}Q", self._read(8 * num_arrays, deadline))
        payload = self._read(payload_bytes, deadline)
        arrays: list[memoryview] = []
        start = 0
        for size in sizes:
            if in_shared:
                array = self._shared[start : start + size].copy().data
                start += _aligned(size)
            else:
                array = self._read(size, deadline)
            arrays.append(array)
        return pickle.loads(payload, buffers=arrays)

    def say_ready(self) -> None:
        self._end.sendall(b"r")

    def wait_until_ready(self, timeout_seconds: float) -> bool:
        try:
            self._read(1, time.monotonic() + timeout_seconds)
        except (EOFError, TimeoutError):
            return False
        return True

    def _read(self, num_bytes: int, deadline: float | None) -> memoryview:
        view, filled = np.empty(num_bytes, dtype=np.uint8).data, 0
        while filled < num_bytes:
            self._end.settimeout(None if deadline is None else max(0.001, deadline - time.monotonic()))
            try:
                got = self._end.recv_into(view[filled:])
            except ConnectionError:
                got = 0
            if got == 0:
                raise EOFError
            filled += got
        return view


def _aligned(size: int) -> int:
    return -(-size // _ALIGNMENT) * _ALIGNMENT


class RemoteTracebackError(Exception):
    """The cause of an exception that another process raised: the traceback there, as text."""


class CarriedError:
    """Pickles an exception so that an equal one is unpickled, whatever its `__init__` asks for."""

    def __init__(self, error: BaseException, traceback_text: str) -> None:
        kind, arguments, state = type(error), error.args, dict(error.__dict__)
        if not isinstance(error, Exception):  # SystemExit in a child must not end its parent
            kind, arguments, state = RuntimeError, (f"{kind.__name__}: {error}",), {}
        self._parts = (kind, arguments, state, traceback_text)
        try:
            pickle.loads(pickle.dumps(self))
        except Exception:  # an exception that holds something which cannot travel
            self._parts = (RuntimeError, (f"{type(error).__name__}: {error}",), {}, traceback_text)

    def __reduce__(self) -> Any:
        return _error, self._parts


def _error(kind: type[Exception], arguments: tuple[Any, ...], state: dict[str, Any], traceback_text: str) -> Exception:
    error = kind.__new__(kind, *arguments)
    error.args = arguments
    error.__dict__.update(state)
    error.__cause__ = RemoteTracebackError("\n" + traceback_text)
    return error
