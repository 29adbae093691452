"""Which regions of a map are done: a small Zarr array beside the map's own.

A region's entry is one chunk, written after the region's pixels: 32 bytes of digest
(`lscube.mapping.identity.region_digest`), zeros where the region is not done. Beside it stands whether
the region is settled: whether all that its windows look at was seen after the event, so that scenes
which are only looked at for what is still missing change nothing (maps of earlier versions do not say).
"""

from __future__ import annotations

from typing import Any

import numpy as np
import zarr
from zarr.abc.store import Store

from lscube.errors import StoreError
from lscube.mapping.layout import Layout, Region

_PATH = "ledger"
_NAME = "digest"
_SETTLED = "settled"
_BYTES = 32
_FINISHED = "finished"


class Ledger:
    """The regions of one store."""

    def __init__(self, array: Any, group: Any) -> None:
        self._array, self._group = array, group

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
        group.create_array(
            _SETTLED,
            shape=layout.shape,
            chunks=(1, 1),
            dtype="uint8",
            fill_value=0,
            compressors=None,
        )
        return cls(array, group)

    @classmethod
    def open(cls, store: Store, read_only: bool = False) -> Ledger | None:
        """Open a store's ledger; None where there is none."""
        try:
            group = zarr.open_group(store, path=_PATH, mode="r" if read_only else "r+")
            return cls(group[_NAME], group)
        except (FileNotFoundError, KeyError):
            return None

    @classmethod
    def of(cls, store: Store, read_only: bool = False) -> Ledger:
        """The ledger of a store that has one."""
        ledger = cls.open(store, read_only)
        if ledger is None:
            raise StoreError(
                "Expected a map with its ledger, but the ledger is gone; something else removed it: choose "
                "another place and begin again."
            )
        return ledger

    def read(self) -> dict[tuple[int, int], bytes]:
        """Digest of each region that is done, by its row and column."""
        entries = np.asarray(self._array[...])
        done = np.argwhere(entries.any(axis=-1)).tolist()
        return {(row, column): entries[row, column].tobytes() for row, column in done}

    def mark(self, region: Region, digest: bytes) -> None:
        """Say that a region is done."""
        self._array[region.row, region.column] = np.frombuffer(digest, np.uint8)

    def settle(self, region: Region) -> None:
        """Say that a region is settled; before it is marked."""
        if _SETTLED in self._group:
            self._group[_SETTLED][region.row, region.column] = 1

    def settled(self) -> set[tuple[int, int]]:
        """Regions that are settled, by row and column; as far as it is known."""
        if _SETTLED not in self._group:
            return set()
        return {(row, column) for row, column in np.argwhere(self._group[_SETTLED][...]).tolist()}

    @property
    def finished(self) -> bool:
        """Whether the run that this ledger belongs to has come to its end."""
        return bool(self._group.attrs.get(_FINISHED, False))

    def finish(self) -> None:
        """Say that the run has come to its end."""
        self._group.attrs[_FINISHED] = True
