"""What a run needs of the place where a map lies."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager
from typing import Any, Protocol

import xarray as xr
from dask.delayed import Delayed
from zarr.abc.store import Store

from lscube.errors import InUseError, StoreError
from lscube.mapping.layout import Region
from lscube.mapping.ledger import Ledger
from lscube.mapping.store import write_region


class Target(Protocol):
    """A store that one run writes to."""

    @property
    def store(self) -> Store:
        """To write the template to, and to read the ledger from."""

    def write(self, dataset: xr.Dataset, region: Region) -> Delayed:
        """Lazily write a region; its result goes to `enter`."""

    def enter(self, region: Region, digest: bytes, written: Any) -> None:
        """Enter a written region in the ledger."""

    def keep(self) -> None:
        """Make all that was written or entered stay, whatever happens next."""


class Place(Protocol):
    """Where a map is made and where it stands when it is finished."""

    def finished(self) -> Store | None:
        """The finished store, to be read; None where none stands there."""

    def unfinished(self) -> bool:
        """Whether a run began here and has not ended."""

    def locked(self) -> AbstractContextManager[Target]:
        """The store to write to, for one run at a time."""

    def clear(self) -> None:
        """Remove what an interrupted beginning left; within `locked`."""

    def finish(self) -> None:
        """Make the store the finished one; within `locked`."""


class ZarrTarget:
    """A Zarr store: each region stays as soon as it is written."""

    def __init__(self, store: Store) -> None:
        self._store = store

    @property
    def store(self) -> Store:
        """The store."""
        return self._store

    def write(self, dataset: xr.Dataset, region: Region) -> Delayed:
        """Lazily write a region."""
        return write_region(dataset, self._store, region)

    def enter(self, region: Region, digest: bytes, written: Any) -> None:
        """Enter a written region in the ledger."""
        Ledger.of(self._store).mark(region, digest)

    def keep(self) -> None:
        """Nothing to do."""


def store_errors() -> tuple[type[BaseException], ...]:
    """What stores raise; only of libraries that are in use."""
    names = (("obstore.exceptions", "BaseError"), ("icechunk", "IcechunkError"))
    found = [getattr(sys.modules[module], name) for module, name in names if module in sys.modules]
    return (OSError, *found)


@contextmanager
def reached(place: object) -> Iterator[None]:
    """Turn what a store raises into one clear sentence; the place, or its address, is named in it.

    Raises
    ------
    StoreError
        The disk is full, or the store refuses or is not there.
    """
    try:
        yield
    except store_errors() as error:
        reason = getattr(error, "strerror", None) or str(error).splitlines()[0][:300]
        raise StoreError(
            f"Expected to reach the map {place}, but {reason}; free space or give leave, and run the same "
            "command again: finished regions are kept."
        ) from error


def in_use(name: str, owner: str) -> InUseError:
    """Say that another run is at work."""
    return InUseError(
        f"Expected to be the only run on {name}, but {owner} is writing it; wait for it to end, or "
        "choose another name."
    )
