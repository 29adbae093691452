"""Which regions of a map are done: a small Zarr array beside the map's own.

A region's entry is one chunk, written after the region's pixels: 32 bytes of digest
(`lscube.mapping.identity.region_digest`), zeros where the region is not done.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import zarr
from zarr.abc.store import Store

from lscube.mapping.layout import Layout, Region

_PATH = "ledger"
_NAME = "digest"
_BYTES = 32


class Ledger:
    """The regions of one store."""

    def __init__(self, array: Any) -> None:
        self._array = array

    @classmethod
    def create(cls, store: Store, layout: Layout) -> Ledger:
        """Begin a ledger, nothing done."""
        group = zarr.create_group(store, path=_PATH)
        array = group.create_array(
            _NAME,
            shape=(*layout.shape, _BYTES),
            chunks=(1, 1, _BYTES),
            dtype="uint8",
            fill_value=0,
            compressors=None,
        )
        return cls(array)

    @classmethod
    def open(cls, store: Store, read_only: bool = False) -> Ledger | None:
        """Open a store's ledger; None where there is none."""
        try:
            array = zarr.open_array(store, path=f"{_PATH}/{_NAME}", mode="r" if read_only else "r+")
        except FileNotFoundError:
            return None
        return cls(array)

    def read(self) -> dict[tuple[int, int], bytes]:
        """Digest of each region that is done, by its row and column."""
        entries = np.asarray(self._array[...])
        done = np.argwhere(entries.any(axis=-1)).tolist()
        return {(row, column): entries[row, column].tobytes() for row, column in done}

    def mark(self, region: Region, digest: bytes) -> None:
        """Say that a region is done."""
        self._array[region.row, region.column] = np.frombuffer(digest, np.uint8)

    def is_full(self) -> bool:
        """Whether all regions are done."""
        return len(self.read()) == int(np.prod(self._array.shape[:2]))
