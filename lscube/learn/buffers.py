"""Memory for batches that is used again: the first touch of new memory costs more than the copy.

A buffer goes back when the last array on it is gone, wherever that was passed on to.
"""

from __future__ import annotations

import math
import threading
import weakref
from collections import defaultdict
from typing import Any

import numpy as np
from numpy.typing import DTypeLike, NDArray

ALIGNMENT = 64
"""Bytes; TensorFlow copies arrays that start elsewhere."""


class Buffers:
    """Arrays on memory that is used again; safe to use from several threads."""

    def __init__(self) -> None:
        self._free: defaultdict[int, list[memoryview]] = defaultdict(list)
        self._lock = threading.RLock()  # an array can end while its thread takes another

    def empty(self, shape: tuple[int, ...], dtype: DTypeLike) -> NDArray[Any]:
        """An array whose values are not set."""
        size = math.prod(shape) * np.dtype(dtype).itemsize
        with self._lock:
            free = self._free[size]
            memory = free.pop() if free else _aligned(size)
        # Views keep the array whose base is no array, and so this one tells when all have ended.
        whole: NDArray[Any] = np.frombuffer(memory, dtype)
        weakref.finalize(whole, self._put_back, memory).atexit = False
        return whole.reshape(shape)

    def _put_back(self, memory: memoryview) -> None:
        with self._lock:
            self._free[memory.nbytes].append(memory)


def _aligned(size: int) -> memoryview:
    """Writable memory of `size` bytes at a multiple of `ALIGNMENT`."""
    room = np.empty(size + ALIGNMENT, np.uint8)
    start = -room.ctypes.data % ALIGNMENT
    return room[start : start + size].data
